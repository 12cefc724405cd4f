"""EnFormer and CLUENet are looked at as FEC is: hard assignments, soft ones by their largest, and the hierarchy."""

from __future__ import annotations

import pytest
import torch

from fec_mm.clusters import cluster_levels, layer_labels, record_assignments
from fec_mm.device.recordings import telling_weights
from fec_mm.errors import UserError
from fec_mm.models import CLUENet, EnFormer

ARCH = dict(depths=(1, 2, 1, 1), embed_dims=(8, 12, 16, 20), num_heads=(1, 2, 2, 2), head_dims=(4,) * 4)
CENTERS = ((3, 2), (2, 3), (2, 2), (2, 1))


def enformer() -> EnFormer:
    model = EnFormer(
        {**ARCH, 'kernel_sizes': (3, 3, 3, 3)}, centers_per_side=CENTERS, agents_per_side=(5, 0, 0, 0), out_indices=-1
    ).eval()
    telling_weights(model)
    return model


@torch.no_grad()
def test_soft_assignments_have_their_largest_and_its_size() -> None:
    model = enformer()
    with record_assignments(model) as record:
        model(torch.randn(2, 3, 70, 45))
    assert record.stem_size == (18, 12) and not record.pools
    for stage, (fuzzy, hard) in enumerate(CENTERS):
        for part, count in (('.fuzzy', fuzzy**2), ('.hard', hard**2), ('', fuzzy**2 + hard**2)):
            name = f'stages.{stage}.0.mixer{part}'
            ids, share = record.layers[name], record.confidences[name]
            assert ids.shape == share.shape and ids.max() < count and ids.min() >= 0
            assert share.min() > 0 and share.max() <= 1
            if part != '.hard':
                assert share.min() >= 1 / count - 1e-6  # the largest of numbers that sum to one
    labels = layer_labels(record.layers['stages.3.0.mixer'], [], record.image_size, record.stem_size)
    assert labels.shape == (2, 2, 70, 45)
    with pytest.raises(UserError, match='no hierarchy of clusters'):
        cluster_levels(record.pools, record.image_size, record.stem_size)


@torch.no_grad()
def test_watching_changes_nothing() -> None:
    model, images = enformer(), torch.randn(1, 3, 64, 64)
    (expected,) = model(images)
    with record_assignments(model):
        (got,) = model(images)
    assert torch.equal(got, expected)


@pytest.mark.parametrize(('stride', 'stem'), [(4, (17, 11)), (1, (70, 45))])
@torch.no_grad()
def test_cluenet_has_the_hierarchy(stride: int, stem: tuple[int, int]) -> None:
    """Every pixel is in a cluster of every level; clusters of a level are united in the next one, never cut."""
    model = CLUENet({**ARCH, 'stem_stride': stride}).eval()
    telling_weights(model)
    with record_assignments(model) as record:
        model(torch.randn(1, 3, 70, 45))
    assert record.stem_size == stem and len(record.pools) == 3 and not record.confidences
    levels = cluster_levels(record.pools, record.image_size, record.stem_size)
    for fine, coarse in zip(levels, levels[1:]):
        pairs = torch.stack([fine.flatten(), coarse.flatten()], 1).unique(dim=0)
        assert len(pairs) == len(fine.unique())
    assert sorted(record.encodes) == [f'stages.{i}.0.mixer' for i in range(4)]
