"""Measures of label maps against hand-made cases, closed forms and loops over pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fec_mm.evaluation import segments as seg

LEFT = np.repeat([[0, 0, 0, 0, 1, 1, 1, 1]], 8, axis=0)  # two halves
ALL = np.ones((8, 8), bool)


def halves(at: int) -> np.ndarray:
    """Two segments whose border lies before column `at`."""
    return np.repeat((np.arange(8) >= at)[None].astype(int), 8, axis=0)


def test_a_border_two_pixels_off() -> None:
    """Of 64 pixels, 16 lie on the wrong side; the segment of 48 leaks 16 of them out of its best region."""
    counts = seg.overlaps(halves(2).ravel(), LEFT.ravel())
    assert counts.tolist() == [[16, 0], [16, 32]]
    assert seg.achievable_accuracy(counts) == 48 / 64
    assert (
        seg.undersegmentation_error(counts) == (16 + 16) / 64
    )  # the part in the left region, and the part that leaks from it


@pytest.mark.parametrize(
    ('at', 'tolerance', 'recall', 'precision'),
    [(4, 0, 1, 1), (3, 0, 0.5, 0.5), (3, 1, 1, 1), (2, 1, 0.5, 0.5), (2, 2, 1, 1), (1, 1, 0, 0), (7, 1, 0, 0)],
)
def test_boundaries_of_halves(at: int, tolerance: int, recall: float, precision: float) -> None:
    """A border is two columns of pixels."""
    assert seg.boundary_recall_precision(halves(at), LEFT, ALL, tolerance) == (recall, precision)


def test_recall_and_precision_are_not_each_other() -> None:
    """Every pixel its own segment: every border is found, and of 64 border pixels 16 are at the drawn one."""
    assert seg.boundary_recall_precision(np.arange(64).reshape(8, 8), LEFT, ALL, 0) == (1, 16 / 64)
    recall, precision = seg.boundary_recall_precision(np.zeros((8, 8), int), LEFT, ALL, 3)
    assert recall == 0 and math.isnan(precision)


def test_void_has_no_border_and_no_pixels() -> None:
    void = LEFT.copy()
    void[:, 3:5] = 255
    assert not seg.boundaries(void, void != 255).any()
    values = seg.measure(halves(2), void, np.zeros((8, 8, 3)), void != 255, 1)
    assert values['asa'] == (8 * 2 + 8 * 3) / 48 and math.isnan(values['boundary_recall'])


def test_explained_variation_in_closed_form() -> None:
    """Values x = 0 … n−1 in k runs of n/k: (n² − (n/k)²) / (n² − 1)."""
    n, k = 60, 5
    got = seg.explained_variation(np.arange(n) * k // n, np.arange(n)[:, None])
    assert got == pytest.approx((n**2 - (n / k) ** 2) / (n**2 - 1))
    assert seg.explained_variation(np.zeros(9), np.arange(9)[:, None]) == pytest.approx(0, abs=1e-12)
    assert seg.explained_variation(np.arange(9) % 2, np.full((9, 3), 7)) == 1


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.integers(2, 9), st.integers(0, 2))
def test_against_loops(seed: int, height: int, width: int, tolerance: int) -> None:
    rng = np.random.default_rng(seed)
    labels, regions = rng.integers(0, 4, (2, height, width))
    image, valid = rng.integers(0, 256, (height, width, 3)), rng.random((height, width)) < 0.8
    valid[0, 0] = True
    got = seg.measure(labels, regions, image, valid, tolerance)

    pixels = [(y, x) for y in range(height) for x in range(width)]
    good = [p for p in pixels if valid[p]]
    segments = {s: [p for p in good if labels[p] == s] for s in {labels[p] for p in good}}
    wanted = {r: {p for p in good if regions[p] == r} for r in {regions[p] for p in good}}
    assert got['asa'] == pytest.approx(
        sum(max(len(set(s) & r) for r in wanted.values()) for s in segments.values()) / len(good)
    )
    leaks = sum(min(len(set(s) & r), len(set(s) - r)) for s in segments.values() for r in wanted.values() if set(s) & r)
    assert got['undersegmentation'] == pytest.approx(leaks / len(good))

    def edge(values: np.ndarray) -> list[tuple[int, int]]:
        return [
            (y, x)
            for y, x in good
            if any(p in good and values[p] != values[y, x] for p in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)))
        ]

    def near(these: list, those: list) -> float:
        hits = [any(max(abs(y - v), abs(x - u)) <= tolerance for v, u in those) for y, x in these]
        return sum(hits) / len(hits) if hits else math.nan

    assert got['boundary_recall'] == pytest.approx(near(edge(regions), edge(labels)), nan_ok=True)
    assert got['boundary_precision'] == pytest.approx(near(edge(labels), edge(regions)), nan_ok=True)
    colours = np.array([image[p] for p in good], float)
    means = np.array([np.mean([image[p] for p in segments[labels[q]]], 0) for q in good])
    total = ((colours - colours.mean(0)) ** 2).sum()
    expected = 1 if total == 0 else 1 - ((colours - means) ** 2).sum() / total
    assert got['explained_variation'] == pytest.approx(expected)
    assert got['contour_density'] == pytest.approx(len(edge(labels)) / len(good))
    round_share = 0.0
    for name, segment in segments.items():
        sides = sum(
            p not in good or labels[p] != name
            for y, x in segment
            for p in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
        )
        round_share += len(segment) / len(good) * 4 * math.pi * len(segment) / sides**2
    assert got['compactness'] == pytest.approx(round_share)


def flooded(labels: np.ndarray) -> int:
    """Connected parts, counted by filling them one after the other."""
    open_pixels = {tuple(pixel) for pixel in np.argwhere(np.ones_like(labels))}
    pieces = 0
    while open_pixels:
        pieces += 1
        front = [open_pixels.pop()]
        while front:
            y, x = front.pop()
            for pixel in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if pixel in open_pixels and labels[pixel] == labels[y, x]:
                    open_pixels.remove(pixel)
                    front.append(pixel)
    return pieces


def test_pieces() -> None:
    pytest.importorskip('skimage')
    rng = np.random.default_rng(0)
    for shape in [(1, 7), (9, 1), (12, 15)]:
        for first in (-3, 0, 7):
            labels = first + rng.integers(0, 3, shape)
            assert seg.count_pieces(labels) == flooded(labels)
    assert seg.count_pieces(np.indices((6, 6)).sum(0) % 2) == 36
    assert seg.count_pieces(np.array([[0, 255, 0]], np.uint8)) == 3


def test_compactness_in_closed_form() -> None:
    """π/4 of a square, whatever its size; of a rectangle a×b it is π·a·b / (a + b)²."""
    squares = np.kron(np.arange(4).reshape(2, 2), np.ones((5, 5), int))
    assert seg.compactness(squares, np.ones((10, 10), bool)) == pytest.approx(math.pi / 4)
    assert seg.compactness(np.zeros((3, 7), int), np.ones((3, 7), bool)) == pytest.approx(math.pi * 21 / 100)
    # Two segments of areas 6 and 12 count by their areas.
    unequal = np.repeat((np.arange(9) >= 3)[None].astype(int), 2, axis=0)
    expected = (6 * math.pi * 6 / 25 + 12 * math.pi * 12 / 64) / 18
    assert seg.compactness(unequal, np.ones((2, 9), bool)) == pytest.approx(expected)
    # A chessboard of two segments: 18 pixels of 4 sides each.
    chess = np.indices((6, 6)).sum(0) % 2
    assert seg.compactness(chess, np.ones((6, 6), bool)) == pytest.approx(4 * math.pi * 18 / 72**2)


def test_compactness_is_of_what_is_valid() -> None:
    """The border of what is void is a border as the image's is."""
    valid = np.zeros((8, 8), bool)
    valid[2:5, 1:7] = True
    assert seg.compactness(np.zeros((8, 8), int), valid) == pytest.approx(math.pi * 18 / 81)


def test_contour_density_in_closed_form() -> None:
    """A border is two columns of pixels, or one where the other is void."""
    assert seg.contour_density(LEFT, ALL) == 2 / 8
    assert seg.contour_density(np.zeros((8, 8), int), ALL) == 0
    assert seg.contour_density(np.arange(64).reshape(8, 8), ALL) == 1
    half = ALL.copy()
    half[:, 4:] = False
    assert seg.contour_density(LEFT, half) == 0
    half[:, 4] = True
    assert seg.contour_density(LEFT, half) == 2 / 5


def test_tolerance() -> None:
    assert [seg.tolerance_of(size) for size in ((32, 32), (192, 192), (360, 480), (800, 1344))] == [1, 1, 2, 4]
