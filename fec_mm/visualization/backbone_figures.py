"""Plots of how accurate backbones are against what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fec_mm.optional import optional

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def cost_figure(
    accuracies: Mapping[str, tuple[float, float]], costs: Mapping[str, Mapping[str, float]], what: str
) -> Figure:
    """Accuracy against each cost, a panel each.

    Args:
        accuracies: Mean and standard deviation by model; those of NaN are left out.
        costs: By the title of a panel, a number for each model.
        what: The name of the vertical axis.
    """
    figure: Figure = optional('matplotlib.figure', 'plots of costs').Figure(layout='constrained')
    ticker = optional('matplotlib.ticker', 'plots of costs')
    figure.set_size_inches(4.5 * len(costs), 4)
    colours = optional('matplotlib', 'plots of costs').colormaps['tab10']
    for ax, (title, numbers) in zip(figure.subplots(1, len(costs), sharey=True, squeeze=False)[0], costs.items()):
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
    figure.axes[0].set_ylabel(what)
    figure.axes[-1].legend(fontsize=8, loc='center left', bbox_to_anchor=(1, 0.5))
    return figure
