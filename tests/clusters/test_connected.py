"""Segments made of clusters are connected, cover what the clusters did, and are not too small."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fec_mm.clusters import connect

pytest.importorskip('skimage')
from fec_mm.evaluation.segments import count_pieces

LEFT = np.repeat([[0, 0, 0, 0, 1, 1, 1, 1]], 8, axis=0)  # two halves


def partition(labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 4), st.floats(0, 1), st.integers(0, 2**16))
def test_segments_are_connected_and_large(height: int, width: int, labels: int, smallest: float, seed: int) -> None:
    clusters = np.random.default_rng(seed).integers(0, labels, (height, width)) * 7 - 3
    segments = connect(clusters, smallest)
    areas = np.bincount(segments.ravel())
    assert (areas > 0).all() and count_pieces(segments) == len(areas)
    limit = smallest * clusters.size / len(np.unique(clusters))
    assert len(areas) == 1 or areas.min() >= limit
    # Nothing is cut: pixels of one piece stay together.
    pieces = connect(clusters, 0)
    assert count_pieces(clusters) == len(np.unique(pieces))
    assert all(len(np.unique(segments[pieces == piece])) == 1 for piece in np.unique(pieces))


def test_what_is_connected_stays() -> None:
    assert partition(connect(LEFT, 0.9)) == partition(LEFT)


def test_a_small_piece_joins_along_its_longest_border() -> None:
    """Two pixels of cluster 0 within cluster 1, and one at the border of both, next to more of cluster 1."""
    clusters = LEFT.copy()
    clusters[3, 6:] = 0
    assert partition(connect(clusters, 0.1)) == partition(LEFT)
    assert len(np.unique(connect(clusters, 0))) == 3
    clusters = LEFT.copy()
    clusters[7, 4] = 2
    expected = LEFT.copy()  # three sides: 1 to the left, 1 above and 1 to the right are of cluster 1
    assert partition(connect(clusters, 0.1)) == partition(expected)


def test_a_piece_that_has_grown_to_the_limit_stays() -> None:
    """Two columns of two pixels make four, the mean area; a little more is asked for, and they join the rest."""
    clusters = np.array([[0, 1, 2, 2, 2, 2], [0, 1, 2, 2, 2, 2]])
    assert np.bincount(connect(clusters, 1).ravel()).tolist() == [4, 8]
    assert np.bincount(connect(clusters, 1.1).ravel()).tolist() == [12]
