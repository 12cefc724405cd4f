"""Plots of what a probe found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fec_mm.optional import optional

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PER_ROW = 3  # panels, so that a page can show them
MAX_NAMES = 40  # more do not fit beside a confusion or into a legend


def layer_figure(
    scores: Mapping[str, Mapping[str, tuple[float, float]]],
    what: str = 'score (higher is better)',
    without_model: Mapping[str, float] | None = None,
) -> Figure:
    """Scores against layers, the lines of a group in one panel.

    Args:
        scores: Mean and standard deviation of each layer, in order, by '<group> <line>'.
        what: The name of the vertical axis.
        without_model: What a line's task scores without a model, by '<line>': dashed.
    """
    figure: Figure = optional('matplotlib.figure', 'figures').Figure(layout='constrained')
    groups = list(dict.fromkeys(title.split()[0] for title in scores))
    rows = -(-len(groups) // PER_ROW)
    columns = -(-len(groups) // rows)
    figure.set_size_inches(5 * columns, 4 * rows)
    titles = {
        'global': 'all subclasses',
        'within': 'within each superclass',
        'read_out': 'read-outs',
        'ami': 'AMI, all subclasses',
        'within_ami': 'AMI within each superclass',
        'linear': 'accuracy of a linear read-out',
    }
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for ax in axes.flat[len(groups) :]:
        ax.remove()
    for ax, group in zip(axes.flat, groups):
        own = {title.split()[1]: layers for title, layers in scores.items() if title.split()[0] == group}
        for line, layers in own.items():
            means, stds = zip(*layers.values())
            drawn = ax.errorbar(range(len(layers)), means, stds, marker='o', capsize=3, label=line)
            if without_model and line in without_model:
                ax.axhline(without_model[line], color=drawn.lines[0].get_color(), linestyle='--', linewidth=1)
        if len({tuple(layers) for layers in own.values()}) == 1:
            names = [_plain(name.removeprefix('backbone.')) for name in layers]
            ax.set_xticks(range(len(layers)), names, rotation=30, ha='right')
        else:  # of models whose layers have other names
            ax.set_xticks(range(most := max(map(len, own.values()))), range(1, most + 1))
            ax.set_xlabel('layer, from input to output')
        ax.set_title(titles.get(group, group))
        ax.grid(alpha=0.3)
        ax.legend(fontsize=8)
    for ax in axes[:, 0]:
        ax.set_ylabel(what)
    return figure


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
