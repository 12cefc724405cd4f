"""What needs no network to cut an image into about so many segments.

Shapes: images are H×W×3, RGB, uint8; label maps H×W integers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from fec_mm.optional import optional

BASELINES = ('grid', 'slic', 'felzenszwalb')
ATTEMPTS = 5
TOLERANCE = 0.03  # of the number of segments
SMALLEST = 20  # pixels of a segment of Felzenszwalb and Huttenlocher's: scikit-image's default


def baseline_maps(image: np.ndarray, segments: int, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Those of `BASELINES` that are named, with about so many segments."""
    makers = {
        'grid': lambda: square_grid(image.shape[:2], segments),
        'slic': lambda: slic_with(image, segments),
        'felzenszwalb': lambda: felzenszwalb_with(image, segments),
    }
    return {name: makers[name]() for name in names}


def slic_with(image: np.ndarray, segments: int) -> np.ndarray:
    """SLIC of scikit-image with its defaults, and as near to a number of segments as some attempts come.

    It makes fewer segments than it is asked for, by up to a third: it starts from a grid and merges what is small.
    """
    slic = optional('skimage.segmentation', 'SLIC segments').slic
    return _nearest(
        lambda wanted: slic(image, max(1, round(wanted)), start_label=0), segments, segments, lambda ratio: 1 / ratio
    )


def felzenszwalb_with(image: np.ndarray, segments: int) -> np.ndarray:
    """The segments of Felzenszwalb and Huttenlocher (scikit-image, its defaults but for the scale), as near to a number
    of them as some attempts at the scale come.

    No segment is smaller than 20 pixels, or than a quarter of the mean one if that is less.
    """
    felzenszwalb = optional('skimage.segmentation', "Felzenszwalb and Huttenlocher's segments").felzenszwalb
    area = image.shape[0] * image.shape[1] / segments
    smallest = max(1, min(SMALLEST, round(area / 4)))
    return _nearest(
        lambda scale: felzenszwalb(image, scale=scale, min_size=smallest), segments, area / 2, lambda ratio: ratio**1.3
    )


def _nearest(
    cut: Callable[[float], np.ndarray], segments: int, start: float, step: Callable[[float], float]
) -> np.ndarray:
    """Of some attempts the label map whose number of segments is nearest to the one wanted.

    Args:
        cut: makes a label map by a setting.
        start: the first setting.
        step: what to multiply it by after a map with so many times the segments that are wanted.
    """
    attempts: list[tuple[int, np.ndarray]] = []
    setting = start
    for _ in range(ATTEMPTS):
        labels = cut(setting)
        found = len(np.unique(labels))
        attempts.append((abs(found - segments), labels))
        if attempts[-1][0] <= TOLERANCE * segments:
            break
        setting *= step(found / segments)
    return min(attempts, key=lambda attempt: attempt[0])[1]


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
