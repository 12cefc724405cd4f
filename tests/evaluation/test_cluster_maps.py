"""Baselines and label maps at the masks' size; the metric in a runner is in tests/tools/test_cluster_tools.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fec_mm.errors import UserError
from fec_mm.evaluation.cluster_maps import ClusterMapMetric, mean_rows, picture_and_regions, resized


def test_resized_takes_the_pixel_under_the_middle() -> None:
    maps = torch.arange(12).view(1, 3, 4)
    assert (resized(maps, (6, 8))[0] == np.kron(maps[0], np.ones((2, 2), int))).all()
    assert (resized(maps, (1, 2))[0] == [[5, 7]]).all()
    assert (resized(maps, (3, 4))[0] == maps[0].numpy()).all()


def test_picture_is_rgb_at_the_size_of_the_mask() -> None:
    inputs = torch.tensor([10, 20, 30], dtype=torch.uint8)[:, None, None].expand(3, 4, 6)
    image, regions = picture_and_regions(inputs, dict(gt_sem_seg=dict(data=torch.zeros(1, 8, 12))))
    assert image.shape == (8, 12, 3) and regions.shape == (8, 12) and (image == [30, 20, 10]).all()


def test_means_leave_out_what_is_no_number() -> None:
    rows = [
        dict(
            method='',
            level=1,
            segments=s,
            pieces=s,
            asa=1,
            boundary_recall=r,
            boundary_precision=float('nan'),
            undersegmentation=0,
            contour_density=0.1,
            compactness=0.2,
            explained_variation=v,
        )
        for s, r, v in ((2, 0.5, 0.2), (4, float('nan'), 0.4))
    ]
    (mean,) = mean_rows([[row] for row in rows])
    assert (mean['images'], mean['segments'], mean['boundary_recall']) == (2, 3, 0.5)
    assert (
        mean['explained_variation'] == pytest.approx(0.3) and mean['boundary_precision'] != mean['boundary_precision']
    )


def test_metric_without_hook_says_so() -> None:
    with pytest.raises(UserError, match='ClusterMapHook'):
        ClusterMapMetric().process(dict(inputs=[torch.zeros(3, 4, 4)]), [dict()])
    with pytest.raises(ValueError, match='grid, slic, felzenszwalb'):
        ClusterMapMetric(baselines=['voronoi'])
    with pytest.raises(ValueError, match='segments, pieces'):
        ClusterMapMetric(equal=['pixels'])


def test_baselines_with_as_many_pieces() -> None:
    """Columns that alternate between two labels are two segments in four pieces."""
    pytest.importorskip('skimage')
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    stripes = np.repeat((np.arange(32) // 8 % 2)[None], 32, axis=0)
    found = ClusterMapMetric(baselines=['grid'], equal=['segments', 'pieces']).beside(stripes, image)
    assert {name: len(np.unique(labels)) for name, labels in found.items()} == {'grid': 2, 'grid/pieces': 4}
    assert set(ClusterMapMetric(baselines=['grid']).beside(stripes, image)) == {'grid'}
    dotted = np.zeros((32, 32), int)
    dotted[5, 5], dotted[20, 5], dotted[:, 16:] = 1, 1, 1
    found = ClusterMapMetric(baselines=['grid'], equal=['pieces', 'connected']).beside(dotted, image)
    counts = {name: len(np.unique(labels)) for name, labels in found.items()}
    assert counts == {'connected': 2, 'grid/pieces': 4, 'grid/connected': 2}
