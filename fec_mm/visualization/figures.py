"""Renderings of label maps.

Shapes: images are H×W×3 (RGB, uint8), label maps H×W (integers).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fec_mm.errors import shown
from fec_mm.optional import optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MIN_PIXELS = 448  # longer side of a rendering: small inputs are enlarged, so that outlines do not cover them
PANEL_INCHES = 3.0
SIDE = 10  # of a mean cluster in a rendering, pixels: less, and outlines cover it


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


def distinct_colours(image: np.ndarray, labels: np.ndarray, confidence: np.ndarray | None = None) -> np.ndarray:
    """Every cluster in a colour of its own, as light and dark as the image, H×W×3, uint8.

    Hues of few are evenly spread; those of many go round by the golden ratio, so that neighbours differ.

    Args:
        confidence: As of `mean_colours`.
    """
    ids, inverse = np.unique(labels, return_inverse=True)
    hues = np.arange(len(ids)) / len(ids) if len(ids) <= 12 else np.arange(len(ids)) * 0.618034 % 1
    hsv = np.stack([hues, np.full(len(ids), 0.75), np.full(len(ids), 0.95)], -1)
    palette = optional('matplotlib.colors', 'figures').hsv_to_rgb(hsv)
    light = 0.55 + 0.45 * image.mean(-1, keepdims=True) / 255
    colours = 255 * palette[inverse.reshape(labels.shape)] * light
    if confidence is not None:
        colours = 255 - confidence[..., None] * (255 - colours)
    return colours.round().astype(np.uint8)


COLOURS = {'mean': mean_colours, 'categorical': distinct_colours}


def fine_outlines(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The image enlarged with the outlines of its clusters, the thinner and fainter the more there are."""
    factor = max(_factor(image), -(-SIDE // max(1, int(np.sqrt(labels.size / len(np.unique(labels)))))))
    large, ids = (each.repeat(factor, axis=0).repeat(factor, axis=1) for each in (image, labels))
    side = np.sqrt(ids.size / len(np.unique(ids)))
    mode = 'thick' if side >= 4 * SIDE else 'inner'
    border = optional('skimage.segmentation', 'figures').find_boundaries(ids, mode=mode)
    opacity = float(np.clip(side / (4 * SIDE), 0.4, 1.0))
    painted = large.astype(np.float32)
    painted[border] += opacity * (np.asarray((255, 255, 0)) - painted[border])
    return painted.round().astype(np.uint8)


def enlarge(pixels: np.ndarray) -> np.ndarray:
    """Each pixel repeated, so that the longer side has at least `MIN_PIXELS`."""
    factor = _factor(pixels)
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def _factor(pixels: np.ndarray) -> int:
    return -(-MIN_PIXELS // max(pixels.shape[:2]))


def panels(
    image: np.ndarray,
    maps: Mapping[str, np.ndarray],
    confidences: Mapping[str, np.ndarray] | None = None,
    colours: Mapping[str, str] | None = None,
) -> dict[str, np.ndarray]:
    """The input, and of each label map its clusters in colours and their outlines, as pictures by their names.

    Args:
        image: H×W×3.
        maps: By the name of each, label maps, H×W: levels, merged groups, heads.
        confidences: Of soft maps by the same names, H×W from 0 to 1: the colours on white are as opaque as these are
            beside the largest of the map, as among many centers even the largest memberships are small. Default: none.
        colours: 'mean' or 'categorical' by the same names. Default: mean.
    """
    found = {'input': enlarge(image)}
    for name, labels in maps.items():
        render, sure = COLOURS[(colours or {}).get(name, 'mean')], (confidences or {}).get(name)
        found[name] = enlarge(render(image, labels, None if sure is None else sure / sure.max()))
        found[f'{name}, outlines'] = fine_outlines(image, labels)
    return found


def cluster_figure(
    image: np.ndarray,
    maps: Mapping[str, np.ndarray],
    title: str = '',
    confidences: Mapping[str, np.ndarray] | None = None,
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """The input, and for each label map its clusters in colours above their outlines.

    Args:
        image, maps, confidences, colours: As of `panels`.
        title: Of the whole figure. Default: none.

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
    pictures = panels(image, maps, confidences, colours)
    _show(axes[0, 0], pictures['input'], f'input, {width}×{height}')
    for (upper, lower), (name, labels) in zip(axes.T[1:], maps.items()):
        title_of_map, sure = f'{name}: {len(np.unique(labels))}', (confidences or {}).get(name)
        if sure is not None:
            title_of_map += f'\nlargest membership {sure.max():.2g}'
        _show(upper, pictures[name], title_of_map)
        _show(lower, pictures[f'{name}, outlines'])
    if title:
        figure.suptitle(shown(title), parse_math=False)
    return figure


def rows_figure(rows: Sequence[Mapping[str, np.ndarray]]) -> Figure:
    """Several images, a row each, under the names of the columns.

    Args:
        rows: Pictures by name, such as of `panels`; all have the same names.
    """
    figure: Figure = optional('matplotlib.figure', 'figures').Figure(layout='constrained')
    names = list(rows[0])
    heights = [row['input'].shape[0] / row['input'].shape[1] for row in rows]
    figure.set_size_inches(PANEL_INCHES * len(names), PANEL_INCHES * sum(heights) + 0.4)
    axes = figure.subplots(len(rows), len(names), squeeze=False, height_ratios=heights)
    for line, row in zip(axes, rows):
        for ax, name in zip(line, names):
            ax.set_axis_off()
            _show(ax, row[name], name if row is rows[0] else '')
    return figure


def bare_figure(picture: np.ndarray, dpi: float) -> Figure:
    """A picture and nothing else, for any format: at `dpi` each of its pixels is one."""
    figure: Figure = optional('matplotlib.figure', 'figures').Figure(
        figsize=(picture.shape[1] / dpi, picture.shape[0] / dpi), dpi=dpi
    )
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    ax.imshow(picture, interpolation='none', aspect='auto')
    return figure


def _show(ax: Axes, picture: np.ndarray, title: str = '') -> None:
    ax.imshow(picture, interpolation='antialiased')
    ax.set_title(title, fontsize=10)
