"""Plots of how well clusters fit what people drew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fec_mm.optional import optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLES = {
    'asa': 'achievable segmentation accuracy',
    'boundary_recall': 'boundary recall',
    'boundary_precision': 'boundary precision',
    'undersegmentation': 'undersegmentation error',
    'explained_variation': 'explained variation',
    'contour_density': 'contour density',
    'compactness': 'compactness',
}
SERIES = {'grid': 'square grid', 'slic': 'SLIC', 'felzenszwalb': 'Felzenszwalb and Huttenlocher'}
AGAINST = {'segments': 'segments per image', 'contour_density': 'contour density'}
LOWER = ('undersegmentation',)  # is better
CONNECTED = ', connected'  # ends the names of clusters that are read so
PER_ROW = 3


def measure_figure(lines: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Each measure against the number of segments, and below against the contour density, three in a row.

    Clusters read as connected have the colour of the clusters, dashed.

    Args:
        lines: the rows of each line's points, as of `fec_mm.evaluation.cluster_maps.mean_rows`, by its name.
    """
    colours = {name: f'C{i}' for i, name in enumerate(dict.fromkeys(name.removesuffix(CONNECTED) for name in lines))}
    measures = [name for name in TITLES if name != 'contour_density']
    figure: Figure = optional('matplotlib.figure', 'plots of measures').Figure(layout='constrained', figsize=(10, 12))
    blocks = -(-len(measures) // PER_ROW)
    axes = figure.subplots(blocks * len(AGAINST), PER_ROW)
    for ax in axes.flat[len(measures) * len(AGAINST) :]:
        ax.remove()
    for i, measure in enumerate(measures):
        for k, (against, title) in enumerate(AGAINST.items()):
            ax = axes[i // PER_ROW * len(AGAINST) + k, i % PER_ROW]
            for name, rows in lines.items():
                points = sorted((each[against], each[measure]) for each in rows if measure in each and against in each)
                style = '--o' if name.endswith(CONNECTED) else '-o'
                look = dict(color=colours[name.removesuffix(CONNECTED)], markersize=4, label=SERIES.get(name, name))
                ax.plot(*(zip(*points) if points else ((), ())), style, **look)
            better = 'lower' if measure in LOWER else 'higher'
            ax.set(xlabel=title, title=f'{TITLES[measure]}\n({better} is better)')
            ax.title.set_fontsize(10)
            ax.grid(alpha=0.3)
            if against == 'segments':
                _plain_numbers(ax)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside upper center', ncols=3)
    return figure


def _plain_numbers(ax: Axes) -> None:
    """A logarithmic axis whose numbers are written as 200, not as powers of ten."""
    ticker = optional('matplotlib.ticker', 'plots of measures')
    ax.set_xscale('log')
    ax.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(ticker.StrMethodFormatter('{x:g}'))
    ax.xaxis.set_minor_formatter(ticker.NullFormatter())
