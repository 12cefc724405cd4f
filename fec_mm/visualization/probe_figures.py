"""Plots of what a probe found."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fec_mm.optional import optional

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PER_ROW = 2  # panels, so that a page can show them
MAX_NAMES = 40  # more do not fit beside a confusion or into a legend


def layer_figure(
    panels: Mapping[str, Mapping[str, Mapping[str, tuple[float, float]]]],
    what: str = 'score (higher is better)',
    without_model: Mapping[str, float] | None = None,
) -> Figure:
    """Scores against layers, a panel for each group of lines, two in a row.

    Args:
        panels: By title of the panel and name of the line, in words: mean and standard deviation of each layer, in
            order.
        what: The name of the vertical axis.
        without_model: What a line's task scores without a model, by its name: dashed.
    """
    figure: Figure = optional('matplotlib.figure', 'figures').Figure(layout='constrained')
    columns = min(PER_ROW, len(panels))
    rows = -(-len(panels) // columns)
    figure.set_size_inches(4.5 * columns, 3.4 * rows + 0.5)
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    colours: dict[str, str] = {}
    for ax, (title, lines) in zip(axes.flat, panels.items()):
        for name, layers in lines.items():
            means, stds = zip(*layers.values())
            style = dict(color=colours.setdefault(name, f'C{len(colours) % 10}'))
            ax.errorbar(range(len(layers)), means, stds, marker='o', capsize=3, label=_plain(name), **style)
            if without_model and name in without_model:
                ax.axhline(without_model[name], linestyle='--', linewidth=1, **style)
        if len({tuple(layers) for layers in lines.values()}) == 1:
            names = [_plain(layer_in_words(name)) for name in layers]
            ax.set_xticks(range(len(layers)), names, rotation=30, ha='right')
        else:  # of models whose layers have other names
            ax.set_xticks(range(most := max(map(len, lines.values()))), range(1, most + 1))
        ax.set_xlabel('layer, from input to output')
        ax.set_title(_plain(title))
        ax.grid(alpha=0.3)
        ax.tick_params(labelleft=True)
        ax.set_ylabel(what)
    _legends(figure, [list(lines) for lines in panels.values()], dashed=bool(without_model))
    return figure


def _legends(figure: Figure, names: Sequence[Sequence[str]], dashed: bool) -> None:
    """One below all panels where their lines are the same, otherwise one in each."""
    if any(own != names[0] for own in names):
        for ax in figure.axes:
            ax.legend(fontsize=8)
        return
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if dashed:
        line = optional('matplotlib.lines', 'figures').Line2D([], [], color='grey', linestyle='--', linewidth=1)
        handles, labels = [*handles, line], [*labels, 'the pixels, without a model']
    figure.legend(handles, labels, loc='outside lower center', ncols=min(2, len(labels)))


def layer_in_words(name: str) -> str:
    """`backbone.stages.2` and ResNet's `backbone.layer3` are stage 3, and `backbone.layers.2` is block 3; head, the
    input of the classifier, stays."""
    name = name.removeprefix('backbone.')
    for pattern, word, first in (
        (r'stages\.(\d+)', 'stage', 1),
        (r'layer(\d+)', 'stage', 0),
        (r'layers\.(\d+)', 'block', 1),
    ):
        if match := re.fullmatch(pattern, name):
            return f'{word} {int(match[1]) + first}'
    return name


def confusion_figure(counts: np.ndarray, names: Sequence[str], title: str) -> Figure:
    """Subclasses (rows) against clusters (columns), each row as shares of its samples."""
    figure: Figure = optional('matplotlib.figure', 'figures').Figure(figsize=(7, 6), layout='constrained')
    ax = figure.subplots()
    image = ax.imshow(
        counts / np.maximum(counts.sum(1, keepdims=True), 1), cmap='viridis', vmin=0, vmax=1, aspect='auto'
    )
    figure.colorbar(image, label='share of the subclass')
    if len(names) <= MAX_NAMES:
        ax.set_yticks(range(len(names)), [_plain(name) for name in names], fontsize=8)
    ax.set_xlabel('cluster')
    ax.set_ylabel('subclass')
    ax.set_title(_plain(title), fontsize=10)
    return figure


def embedding_figure(points: np.ndarray, labels: np.ndarray, names: Sequence[str], title: str) -> Figure:
    """Points, N×2, in the colour of their label."""
    figure: Figure = optional('matplotlib.figure', 'figures').Figure(figsize=(7.5, 6), layout='constrained')
    ax = figure.subplots()
    colours = (
        optional('matplotlib', 'figures')
        .colormaps['tab10' if len(names) <= 10 else 'nipy_spectral']
        .resampled(len(names))
    )
    for label in np.unique(labels):
        chosen = points[labels == label]
        ax.scatter(chosen[:, 0], chosen[:, 1], s=8, color=colours(int(label)), label=_plain(names[label]))
    if len(names) <= MAX_NAMES:
        ax.legend(fontsize=8, loc='center left', bbox_to_anchor=(1, 0.5))
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(_plain(title), fontsize=10)
    return figure


def _plain(text: str, limit: int = 30) -> str:
    """Short, and without the signs that matplotlib takes for mathematics."""
    text = text if len(text) <= limit * 3 else f'{text[: limit * 3]}…'
    return text.replace('$', r'\$')
