"""Digits of the two sources: disjoint splits, and ink that is white."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits as uci

from fec_mm.datasets.digits import load_digits, load_uci_digits


def test_mnist_splits_are_disjoint_and_even() -> None:
    train, val = load_digits().values()
    assert not set(train.numbers) & set(val.numbers)
    assert np.bincount(train.labels).tolist() == [400] * 10 and np.bincount(val.labels).tolist() == [100] * 10


def test_uci_digits_keep_their_grey_levels_inside_a_margin() -> None:
    digits, source = load_uci_digits(), uci()
    assert digits.images.shape == (1797, 10, 10) and digits.images.dtype == np.uint8
    np.testing.assert_allclose(digits.images[:, 1:-1, 1:-1] / 255 * 16, source.images, atol=0.04)
    margin = np.ones((10, 10), bool)
    margin[1:-1, 1:-1] = False
    assert not digits.images[:, margin].any()
    assert (digits.labels == source.target).all()
