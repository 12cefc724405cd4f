"""Groups of clusters: planted ones are found, the largest first."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from fec_mm.clusters import merge_clusters, merge_regions
from fec_mm.errors import UserError


def test_merge_finds_planted_groups_largest_first() -> None:
    labels = torch.arange(16).view(1, 4, 4)
    directions = torch.eye(3)
    member = torch.tensor([0] * 3 + [1] * 8 + [2] * 5)
    features = (directions[member] * torch.arange(1, 17)[:, None]).T.view(1, 3, 4, 4)
    expected = torch.tensor([2] * 3 + [0] * 8 + [1] * 5).view(1, 4, 4)
    assert (merge_clusters(labels, features, 3) == expected).all()
    with pytest.raises(UserError, match='cannot merge 16'):
        merge_clusters(labels, features, 17)


@pytest.fixture
def halves() -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """8×8 clusters of 4×4 pixels: a red half, and a blue half with a red spot in its middle; representatives are equal
    within a half."""
    labels = torch.arange(64).view(1, 8, 8).repeat_interleave(4, 1).repeat_interleave(4, 2)
    image = np.zeros((1, 32, 32, 3), np.uint8)
    image[:, :, :16, 0], image[:, :, 16:, 2] = 200, 200
    image[:, 12:20, 20:28] = (200, 0, 0)
    features = torch.zeros(1, 2, 8, 8)
    features[:, 0, :, :4], features[:, 1, :, 4:] = 1, 1
    return labels, features, image


def test_regions_are_connected_and_largest_first(halves: tuple[torch.Tensor, torch.Tensor, np.ndarray]) -> None:
    """The spot is as red as the other half, and does not touch it."""
    groups = merge_regions(*halves, 3)[0].numpy()
    assert (groups[:, :16] == 0).all() and (groups[12:20, 20:28] == 2).all() and (groups == 2).sum() == 64
    assert all(ndimage.label(groups == group)[1] == 1 for group in range(3))


def test_fewer_regions_are_unions_of_more(halves: tuple[torch.Tensor, torch.Tensor, np.ndarray]) -> None:
    labels, features, image = halves
    noise = np.random.default_rng(0).integers(0, 40, image.shape).astype(np.uint8)
    for count in range(2, 10):
        fewer, more = (merge_regions(labels, features, image + noise, n)[0] for n in (count, count + 1))
        assert all(len(fewer[more == group].unique()) == 1 for group in range(count + 1))
    assert (merge_regions(labels, features, image, 1) == 0).all()
    with pytest.raises(UserError, match='cannot merge 64'):
        merge_regions(labels, features, image, 65)
