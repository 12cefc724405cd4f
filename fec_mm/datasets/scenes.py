"""Scenes of real digits composited on real photographs.

Shapes: a scene is S×S pixels; images are S×S×3 (RGB, uint8), masks S×S (bool), id maps S×S (uint8).
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from fec_mm.errors import UserError

from .digits import Digits

# Photographs that scikit-image and scikit-learn carry in their packages. None is in both splits.
PHOTOS = {
    'train': (
        'astronaut',
        'brick',
        'camera',
        'coffee',
        'grass',
        'hubble_deep_field',
        'immunohistochemistry',
        'moon',
        'retina',
        'rocket',
        'china.jpg',
    ),
    'val': ('chelsea', 'gravel', 'coins', 'cell', 'flower.jpg'),
}
NUM_DIGITS = (3, 8)
DIGIT_SIZE = (20, 64)  # pixels, longer side of the box of a digit's ink
MAX_ANGLE = 30.0  # degrees: a 6 never becomes a 9
MIN_VISIBLE = 0.5  # of a digit's ink, whatever lies on top of it
MIN_CONTRAST = 100.0  # between a digit's colour and the mean colour under its ink, Euclidean, in RGB of 0 to 255


class Scene(NamedTuple):
    """An image and, per digit from the lowest to the topmost, its label, number, and the mask of its visible ink."""

    image: np.ndarray
    labels: list[int]
    numbers: list[int]
    masks: list[np.ndarray]

    def class_ids(self) -> np.ndarray:
        """0 for background, 1 to 10 for digits 0 to 9."""
        ids = np.zeros(self.image.shape[:2], np.uint8)
        for label, mask in zip(self.labels, self.masks):
            ids[mask] = label + 1
        return ids


def load_photos(split: str) -> list[np.ndarray]:
    """The photographs of a split, H×W×3, RGB, uint8."""
    try:
        from skimage import color, data
        from sklearn.datasets import load_sample_image
    except ImportError as error:
        raise UserError(
            f'the photographs come from {error.name}, which is not installed: pip install "fec_mm[quickstart]"'
        ) from error
    photos = [load_sample_image(name) if '.' in name else getattr(data, name)() for name in PHOTOS[split]]
    return [np.ascontiguousarray(p if p.ndim == 3 else color.gray2rgb(p))[..., :3] for p in photos]


def compose(rng: np.random.Generator, photos: list[np.ndarray], digits: Digits, size: int) -> Scene:
    """One scene: a crop of a photograph with 3 to 8 rotated, coloured digits, which may overlap.

    A digit is drawn in a colour that stands out from what it covers by at least `MIN_CONTRAST`, and lies so that of
    every digit at least the share `MIN_VISIBLE` is visible.
    """
    image = _background(rng, photos[rng.integers(len(photos))], size)
    inks: list[np.ndarray] = []
    masks: list[np.ndarray] = []
    chosen: list[int] = []
    wanted = rng.integers(NUM_DIGITS[0], NUM_DIGITS[1] + 1)
    while len(masks) < wanted:
        k = int(rng.integers(len(digits.labels)))
        alpha = _place(rng, _rotated(rng, digits.images[k]), size)
        ink = alpha > 0.5
        if any((mask & ~ink).sum() < MIN_VISIBLE * whole.sum() for mask, whole in zip(masks, inks)):
            continue
        image = image + alpha[..., None] * (_colour(rng, image[ink].mean(0)) - image)
        masks = [mask & ~ink for mask in masks] + [ink]
        inks.append(ink)
        chosen.append(k)
    return Scene(image.round().astype(np.uint8), digits.labels[chosen].tolist(), digits.numbers[chosen].tolist(), masks)


def _background(rng: np.random.Generator, photo: np.ndarray, size: int) -> np.ndarray:
    """A random square of at least size/2 pixels, resized and perhaps mirrored, as float."""
    limit = min(photo.shape[:2])
    side = int(rng.integers(min(size // 2, limit), limit + 1))
    top, left = (int(rng.integers(length - side + 1)) for length in photo.shape[:2])
    crop = cv2.resize(photo[top : top + side, left : left + side], (size, size), interpolation=cv2.INTER_AREA)
    return (crop[:, ::-1] if rng.random() < 0.5 else crop).astype(np.float64)


def _rotated(rng: np.random.Generator, digit: np.ndarray) -> np.ndarray:
    """A digit's ink from 0 to 1, turned, cut to its box and resized to a random size."""
    rows, cols = np.nonzero(digit > 127)
    digit = digit[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1]
    # One more than the least: at the edge of the ink, half covered, a pixel may be lost.
    longer = int(rng.integers(DIGIT_SIZE[0] + 1, DIGIT_SIZE[1] + 1))
    scale = 128 / max(digit.shape)
    turn = cv2.getRotationMatrix2D(
        ((digit.shape[1] - 1) / 2, (digit.shape[0] - 1) / 2), float(rng.uniform(-MAX_ANGLE, MAX_ANGLE)), scale
    )
    turn[0, 2] += 127.5 - (digit.shape[1] - 1) / 2
    turn[1, 2] += 127.5 - (digit.shape[0] - 1) / 2
    large = cv2.warpAffine(digit, turn, (256, 256), flags=cv2.INTER_CUBIC).astype(np.float32) / 255
    rows, cols = np.nonzero(large > 0.5)
    large = large[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1]
    height, width = (max(2, round(longer * s / max(large.shape))) for s in large.shape)
    return cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)


def _place(rng: np.random.Generator, ink: np.ndarray, size: int) -> np.ndarray:
    """The ink somewhere wholly inside an empty S×S scene."""
    top, left = (int(rng.integers(size - s + 1)) for s in ink.shape)
    alpha = np.zeros((size, size))
    alpha[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return alpha


def _colour(rng: np.random.Generator, background: np.ndarray) -> np.ndarray:
    """A random colour at least `MIN_CONTRAST` away from a mean colour: some corner of the colour cube always is."""
    while True:
        colour = rng.integers(0, 256, 3)
        if np.linalg.norm(colour - background) >= MIN_CONTRAST:
            return colour
