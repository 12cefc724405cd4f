"""Renderings of label maps.

Shapes: images are H×W×3 (RGB, uint8), label maps H×W (integers).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from fec_mm.errors import shown
from fec_mm.optional import optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MIN_PIXELS = 448  # longer side of a rendering: small inputs are enlarged, so that outlines do not cover them
PANEL_INCHES = 3.0


def mean_colours(image: np.ndarray, labels: np.ndarray, confidence: np.ndarray | None = None) -> np.ndarray:
    """Every pixel in the mean colour of its cluster, H×W×3, uint8; on white, as opaque as the confidence, 0 to 1."""
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    inverse = inverse.ravel()
    means = np.stack([np.bincount(inverse, image[..., c].ravel()) / counts for c in range(3)], axis=-1)
    colours = means[inverse].reshape(image.shape)
    if confidence is not None:
        colours = 255 - confidence[..., None] * (255 - colours)
    return colours.round().astype(np.uint8)


def outlines(image: np.ndarray, labels: np.ndarray, colour: tuple[float, float, float] = (1.0, 1.0, 0.0)) -> np.ndarray:
    """The image with the pixels on both sides of every border between clusters coloured, H×W×3, uint8.

    Args:
        colour: RGB of 0 to 1.
    """
    border = optional('skimage.segmentation', 'figures').find_boundaries(labels, mode='thick')
    painted = image.copy()
    painted[border] = np.round(255 * np.asarray(colour)).astype(np.uint8)
    return painted


def enlarge(pixels: np.ndarray) -> np.ndarray:
    """Each pixel repeated, so that the longer side has at least `MIN_PIXELS`."""
    factor = -(-MIN_PIXELS // max(pixels.shape[:2]))
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def cluster_figure(
    image: np.ndarray,
    maps: Mapping[str, np.ndarray],
    title: str = '',
    confidences: Mapping[str, np.ndarray] | None = None,
) -> Figure:
    """The input, and for each label map the mean colours of its clusters above their outlines.

    Args:
        image: H×W×3.
        maps: By the name of each, label maps, H×W: levels, merged groups, heads.
        title: Of the whole figure.
        confidences: Of soft maps by the same names, H×W from 0 to 1: the colours on white are as opaque as these are
            beside the largest of the map, which the title names. Default: none.

    Returns:
        A matplotlib figure, which belongs to no window: use its `savefig`.
    """
    figure: Figure = optional('matplotlib.figure', 'figures').Figure(layout='constrained')
    height, width = image.shape[:2]
    # Panels as high as the image is in proportion, and a little for the titles.
    figure.set_size_inches(PANEL_INCHES * (1 + len(maps)), 2 * PANEL_INCHES * height / width + 0.8)
    axes = figure.subplots(2, 1 + len(maps), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    large = enlarge(image)
    _show(axes[0, 0], large, f'input, {width}×{height}')
    for (upper, lower), (name, labels) in zip(axes.T[1:], maps.items()):
        title_of_map, sure = f'{name}: {len(np.unique(labels))}', (confidences or {}).get(name)
        if sure is not None:
            # Among many centers even the largest memberships are small.
            title_of_map, sure = f'{title_of_map}\nlargest membership {sure.max():.2g}', sure / sure.max()
        _show(upper, enlarge(mean_colours(image, labels, sure)), title_of_map)
        _show(lower, outlines(large, enlarge(labels)))
    if title:
        figure.suptitle(shown(title), parse_math=False)
    return figure


def _show(ax: Axes, picture: np.ndarray, title: str = '') -> None:
    ax.imshow(picture, interpolation='antialiased')
    ax.set_title(title, fontsize=10)
