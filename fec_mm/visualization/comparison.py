"""Several models beside each other on one image.

Shapes: images are H×W×3 (RGB, uint8), label maps H×W (integers).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fec_mm.errors import shown
from fec_mm.optional import optional

from .figures import distinct_colours, fine_outlines, mean_colours

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANEL_INCHES = 2.4


@dataclass(frozen=True)
class Row:
    """One model's.

    Args:
        name: Of the model.
        image: What it was given.
        levels: Label maps by their titles, the finest first.
        groups: Of the last level.
    """

    name: str
    image: np.ndarray
    levels: Mapping[str, np.ndarray]
    groups: np.ndarray


def comparison_figure(rows: Sequence[Row]) -> Figure:
    """A row of panels for each model: the image, its levels in mean colours, the last one's outlines, its groups.

    Returns:
        A matplotlib figure, which belongs to no window: use its `savefig`.
    """
    figure: Figure = optional('matplotlib.figure', 'figures').Figure(layout='constrained')
    columns = 3 + len(rows[0].levels)
    height, width = rows[0].image.shape[:2]
    figure.set_size_inches(PANEL_INCHES * columns, PANEL_INCHES * len(rows) * height / width + 0.25 * len(rows))
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, row in zip(axes, rows):
        for ax, (title, panel) in zip(line, _panels(row).items()):
            ax.imshow(panel, interpolation='antialiased')
            ax.set_title(title, fontsize=9)
            ax.set(xticks=[], yticks=[], frame_on=False)
        line[0].set_ylabel(shown(row.name), fontsize=12)
    return figure


def _panels(row: Row) -> dict[str, np.ndarray]:
    """Pictures by their titles."""
    last = list(row.levels.values())[-1]
    levels = {
        f'{title}: {len(np.unique(labels))} clusters': mean_colours(row.image, labels)
        for title, labels in row.levels.items()
    }
    return {
        'image': row.image,
        **levels,
        'their outlines': fine_outlines(row.image, last),
        f'{len(np.unique(row.groups))} groups': distinct_colours(row.image, row.groups),
    }
