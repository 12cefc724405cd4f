"""How well the segments of a label map fit regions that people drew.

Shapes: label maps and regions are H×W integers, images H×W×C; `valid` is H×W booleans. Segments need not be connected.
Measures are those of the literature on superpixels (D. Stutz, A. Hermans, B. Leibe, *Superpixels: an evaluation of the
state of the art*, CVIU 2018); pixels that are not valid (void, ignored) count in none.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import maximum_filter

from fec_mm.optional import optional


def tolerance_of(size: tuple[int, int]) -> int:
    """The pixels that a border may be off by: 0.0025 of the diagonal, as is usual, at least 1."""
    return max(1, round(0.0025 * math.hypot(*size)))


def measure(
    labels: np.ndarray, regions: np.ndarray, image: np.ndarray, valid: np.ndarray, tolerance: int
) -> dict[str, float]:
    """Every measure of one label map.

    Args:
        labels: The segments.
        regions: What people drew.
        image: The colours.
        valid: Which pixels count.
        tolerance: Pixels, see `boundary_recall_precision`.

    Returns:
        `segments`, `pieces` (their connected parts, over 4-neighbours) and, from 0 to 1, `asa`, `boundary_recall`,
        `boundary_precision`, `undersegmentation` (less is better), `explained_variation`, `contour_density` (what the
        others are bought with) and `compactness`; NaN where an image has no border.
    """
    counts = overlaps(labels[valid], regions[valid])
    recall, precision = boundary_recall_precision(labels, regions, valid, tolerance)
    return dict(
        segments=len(np.unique(labels)),
        pieces=count_pieces(labels),
        asa=achievable_accuracy(counts),
        boundary_recall=recall,
        boundary_precision=precision,
        undersegmentation=undersegmentation_error(counts),
        explained_variation=explained_variation(labels[valid], image[valid]),
        contour_density=contour_density(labels, valid),
        compactness=compactness(labels, valid),
    )


def overlaps(labels: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """How many pixels each segment shares with each region, segments×regions, of flat label maps."""
    (rows, i), (cols, j) = (np.unique(values, return_inverse=True) for values in (labels, regions))
    return np.bincount(i.ravel() * len(cols) + j.ravel(), minlength=len(rows) * len(cols)).reshape(len(rows), len(cols))


def achievable_accuracy(counts: np.ndarray) -> float:
    """Achievable segmentation accuracy: the share of pixels that are right if each segment is given its best region."""
    return float(counts.max(1).sum() / counts.sum())


def undersegmentation_error(counts: np.ndarray) -> float:
    """How far segments leak out of the regions that they touch: Σ over segment and region of min(inside, outside) /
    pixels.

    This is the definition of Neubert and Protzel (2012).
    """
    outside = counts.sum(1, keepdims=True) - counts
    return float(np.minimum(counts, outside).sum() / counts.sum())


def boundaries(labels: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The pixels on both sides of every border between two valid pixels of different labels, H×W booleans."""
    border = np.zeros(labels.shape, bool)
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        differ = (labels[one] != labels[other]) & valid[one] & valid[other]
        border[one] |= differ
        border[other] |= differ
    return border


def boundary_recall_precision(
    labels: np.ndarray, regions: np.ndarray, valid: np.ndarray, tolerance: int
) -> tuple[float, float]:
    """The share of the regions' borders that segments' borders are near to, and the other way round.

    Near: within the square of (2·tolerance + 1)² pixels around. NaN where there is no border to take a share of.
    """
    drawn, found = boundaries(regions, valid), boundaries(labels, valid)
    return _share_near(drawn, found, tolerance), _share_near(found, drawn, tolerance)


def _share_near(border: np.ndarray, other: np.ndarray, tolerance: int) -> float:
    if not border.any():
        return math.nan
    return float(maximum_filter(other, size=2 * tolerance + 1, mode='constant')[border].mean())


def explained_variation(labels: np.ndarray, colours: np.ndarray) -> float:
    """The share of the colours' variance that remains when each pixel gets its segment's mean; 1 of an image of one
    colour.

    Args:
        labels: N.
        colours: N×C.
    """
    values = colours.astype(np.float64)
    values -= values.mean(0)
    total = (values**2).sum()
    if total == 0:
        return 1.0
    _, index, counts = np.unique(labels, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(index.ravel(), channel) for channel in values.T])
    return float((sums**2 / counts).sum() / total)


def contour_density(labels: np.ndarray, valid: np.ndarray) -> float:
    """The share of pixels that lie at a border of two segments, on either side of it (`boundaries`)."""
    return float(boundaries(labels, valid)[valid].mean())


def compactness(labels: np.ndarray, valid: np.ndarray) -> float:
    """How round segments are: the mean over pixels of 4π · area / perimeter² of their segments (Schick et al., 2012).

    A square has π/4, whatever its size; many thin or scattered parts have next to nothing. A perimeter counts the sides
    of pixels, at the border of the image and of what is not valid too.
    """
    _, index = np.unique(labels, return_inverse=True)
    number = np.pad(np.where(valid, index.reshape(labels.shape) + 1, 0), 1)  # 0 is outside
    sides = np.zeros(number.shape, np.int64)
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        differ = number[one] != number[other]
        sides[one] += differ
        sides[other] += differ
    areas = np.bincount(number.ravel())[1:]
    perimeters = np.bincount(number.ravel(), sides.ravel())[1:]
    roundness = 4 * math.pi * areas / np.maximum(perimeters, 1) ** 2
    return float((areas * roundness).sum() / areas.sum())


def count_pieces(labels: np.ndarray) -> int:
    """How many connected parts (over 4-neighbours) the segments fall into."""
    label = optional('skimage.measure', 'connected pieces').label
    return int(label(labels.astype(np.int64), connectivity=1, background=int(labels.min()) - 1).max())
