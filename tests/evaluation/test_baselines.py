"""What needs no network has about the segments asked for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fec_mm.evaluation.baselines import BASELINES, baseline_maps, felzenszwalb_with, slic_with, square_grid


@pytest.mark.parametrize('segments', [6, 25, 90])
def test_slic_has_the_segments_asked_for(segments: int) -> None:
    pytest.importorskip('skimage')
    image = pytest.importorskip('skimage.data').astronaut()[::4, ::4]
    once = pytest.importorskip('skimage.segmentation').slic(image, segments, start_label=0)
    off, off_at_once = (abs(len(np.unique(labels)) - segments) for labels in (slic_with(image, segments), once))
    assert off <= min(off_at_once, 0.2 * segments)


@pytest.mark.parametrize('segments', [12, 60, 240])
def test_felzenszwalb_has_the_segments_asked_for(segments: int) -> None:
    pytest.importorskip('skimage')
    image = pytest.importorskip('skimage.data').astronaut()[::4, ::4]
    assert len(np.unique(felzenszwalb_with(image, segments))) == pytest.approx(segments, rel=0.2)


@pytest.mark.parametrize('cut', [slic_with, felzenszwalb_with])
def test_an_image_of_one_colour_is_cut_without_an_error(cut: Callable[..., np.ndarray]) -> None:
    pytest.importorskip('skimage')
    assert cut(np.full((24, 32, 3), 90, np.uint8), 9).shape == (24, 32)


def test_baselines_by_name() -> None:
    pytest.importorskip('skimage')
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert set(baseline_maps(image, 6, BASELINES)) == {'grid', 'slic', 'felzenszwalb'}
    assert (baseline_maps(image, 6, ['grid'])['grid'] == square_grid((32, 32), 6)).all()


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 200))
def test_grid_is_cells_of_nearly_one_size(height: int, width: int, segments: int) -> None:
    grid = square_grid((height, width), segments)
    rows, cols = len(np.unique(grid[:, 0])), len(np.unique(grid[0]))
    assert len(np.unique(grid)) == rows * cols == grid.max() + 1
    for edges in (
        np.diff(np.flatnonzero(np.diff(grid[:, 0], prepend=-1)), append=height),
        np.diff(np.flatnonzero(np.diff(grid[0], prepend=-1)), append=width),
    ):
        assert len(edges) <= 1 or edges[:-1].max() - edges[:-1].min() <= 1


def test_grid_of_a_square() -> None:
    assert (square_grid((8, 8), 4) == np.kron([[0, 1], [2, 3]], np.ones((4, 4)))).all()
    assert len(np.unique(square_grid((192, 192), 144))) == 144
    assert square_grid((360, 480), 300).max() + 1 == 300  # 15 × 20
