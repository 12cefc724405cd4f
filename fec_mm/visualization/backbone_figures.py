"""Plots of how accurate backbones are against what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fec_mm.optional import optional

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PER_ROW = 2  # panels, so that a page can show them


def cost_figure(
    accuracies: Mapping[str, tuple[float, float]], costs: Mapping[str, Mapping[str, float]], what: str
) -> Figure:
    """Accuracy against each cost, a panel each, two in a row; below, the colours of the models.

    Args:
        accuracies: Mean and standard deviation by model, in words; those of NaN are left out.
        costs: By the title of a panel, a number for each model.
        what: The name of the vertical axis.
    """
    figure: Figure = optional('matplotlib.figure', 'plots of costs').Figure(layout='constrained')
    ticker = optional('matplotlib.ticker', 'plots of costs')
    columns = min(PER_ROW, len(costs))
    rows = -(-len(costs) // columns)
    figure.set_size_inches(4.8 * columns, 3.7 * rows + 0.6)
    colours = optional('matplotlib', 'plots of costs').colormaps['tab10']
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for ax in axes.flat[len(costs) :]:
        ax.remove()
    for ax, (title, numbers) in zip(axes.flat, costs.items()):
        for i, (model, (mean, std)) in enumerate(accuracies.items()):
            if model in numbers and mean == mean:
                error = std if std == std else None
                ax.errorbar(numbers[model], mean, error, marker='o', capsize=3, color=colours(i % 10), label=model)
        ax.set(xscale='log', xlabel=title)
        ax.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(ticker.StrMethodFormatter('{x:g}'))
        ax.xaxis.set_minor_locator(ticker.LogLocator(subs=(1.2, 1.5, 3, 7)))
        ax.xaxis.set_minor_formatter(ticker.StrMethodFormatter('{x:g}'))
        ax.tick_params(axis='x', which='both', labelsize=8)
        ax.grid(alpha=0.3)
    for ax in axes[:, 0]:
        ax.set_ylabel(what)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=9, loc='outside lower center', ncols=4)
    return figure
