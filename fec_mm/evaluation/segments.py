"""How well the segments of a label map fit regions that people drew.

Shapes: label maps and regions are H×W integers, images H×W×C; `valid` is H×W booleans. Segments need not be connected.
Measures are those of the literature on superpixels (D. Stutz, A. Hermans, B. Leibe, *Superpixels: an evaluation of the
state of the art*, CVIU 2018); pixels that are not valid (void, ignored) count in none.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import maximum_filter


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
        `boundary_precision`, `undersegmentation` (less is better) and `explained_variation`; NaN where an image has no
        border.
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


def count_pieces(labels: np.ndarray) -> int:
    """How many connected parts (over 4-neighbours) the segments fall into."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pixel = np.arange(labels.size).reshape(labels.shape)
    pairs = [
        (pixel[a][same], pixel[b][same])
        for a, b in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1]))
        for same in [labels[a] == labels[b]]
    ]
    rows, cols = (np.concatenate(side) for side in zip(*pairs))
    links = coo_array((np.ones(len(rows), bool), (rows, cols)), shape=(labels.size, labels.size))
    return int(connected_components(links, directed=False)[0])


def square_grid(size: tuple[int, int], segments: int) -> np.ndarray:
    """About so many equal, nearly square cells: what a strided convolution or a patch embedding groups.

    Returns:
        H×W labels of rows × columns cells; of the pairs whose cells are at most half as long again as wide, or the
        other way
        round, that whose product is nearest to `segments`.
    """
    height, width = size
    pairs = [(rows, min(width, max(1, round(segments / rows)))) for rows in range(1, min(height, segments) + 1)]

    def badness(pair: tuple[int, int]) -> tuple[bool, int, float]:
        stretch = abs(math.log(pair[0] * width / (pair[1] * height)))
        return stretch > math.log(1.5), abs(pair[0] * pair[1] - segments), stretch

    rows, cols = min(pairs, key=badness)
    return (np.arange(height) * rows // height)[:, None] * cols + np.arange(width) * cols // width
