"""Health of clusters, by closed form; and of whole backbones, whose clusters can be told."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fec_mm.clusters import Assignments
from fec_mm.device.recordings import telling_weights
from fec_mm.errors import UserError
from fec_mm.evaluation import cluster_rows
from fec_mm.evaluation.cluster_health import agreement, cluster_sizes, share_used, size_entropy
from fec_mm.evaluation.cluster_rows import MEASURES, center_count, layer_values, mean_rows
from fec_mm.evaluation.segments import explained_variation
from fec_mm.models import FEC, CLUENet, ContextCluster, EnFormer

ARCH = dict(depths=(1, 1, 1, 1), embed_dims=(8, 12, 16, 20), num_heads=(1, 2, 2, 2), head_dims=(4,) * 4)
CLUSTERED = dict(**ARCH, mlp_ratios=(2,) * 4, centers_per_side=(3, 2, 2, 1), regions_per_side=(2, 1, 1, 1))


def test_closed_forms() -> None:
    ids = torch.tensor([[[[0, 0], [1, 1]], [[3, 3], [3, 3]]]])  # 1×2×2×2, of five centers
    assert cluster_sizes(ids, 5).tolist() == [[[2, 2, 0, 0, 0], [0, 0, 0, 4, 0]]]
    assert share_used(ids, 5).tolist() == [[2 / 4, 1 / 4]]  # four positions cannot use five
    assert share_used(ids, 4).tolist() == [[2 / 4, 1 / 4]]
    assert size_entropy(ids, 4)[0].tolist() == pytest.approx([math.log(2) / math.log(4), 0])
    assert size_entropy(torch.zeros(1, 1, 2, 2, dtype=torch.long), 1).isnan().all()


@given(st.integers(2, 6), st.integers(1, 4))
def test_even_clusters_have_all_of_the_entropy(centers: int, size: int) -> None:
    ids = torch.arange(centers).repeat(size)[None, None, None]
    assert size_entropy(ids, centers).item() == pytest.approx(1)
    assert share_used(ids, centers).item() == 1


def test_entropy_of_uneven_sizes() -> None:
    ids = torch.tensor([0, 0, 0, 1])[None, None, None]
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(3)
    assert size_entropy(ids, 3).item() == pytest.approx(expected)


@pytest.mark.parametrize('seed', range(20))
def test_agreement_counts_pairs(seed: int) -> None:
    """Against the definition: pairs of pixels, corrected for chance."""
    rng = np.random.default_rng(seed)
    one, other = rng.integers(0, 3, (3, 4)), rng.integers(0, 4, (3, 4))
    together = [np.equal.outer(labels.ravel(), labels.ravel())[np.triu_indices(12, 1)] for labels in (one, other)]
    both, pairs = (together[0] & together[1]).sum(), len(together[0])
    chance = together[0].sum() * together[1].sum() / pairs
    most = (together[0].sum() + together[1].sum()) / 2
    assert agreement(one, other) == pytest.approx((both - chance) / (most - chance) if most != chance else 1)
    assert agreement(one, (2 - one) * 5) == 1  # labels are but names


def backbones() -> list[torch.nn.Module]:
    soft = dict(centers_per_side=((3, 2), (2, 3), (2, 2), (1, 1)), agents_per_side=(5, 0, 0, 0))
    return [
        FEC(CLUSTERED),
        FEC(CLUSTERED, pool=dict(candidates='near')),
        ContextCluster(CLUSTERED),
        EnFormer({**ARCH, 'kernel_sizes': (3,) * 4}, **soft),
        CLUENet({**ARCH, 'centers_per_side': (3, 2, 2, 1)}),
    ]


@pytest.mark.parametrize('number', range(5), ids=['fec', 'local', 'coc', 'enformer', 'cluenet'])
def test_every_family_is_measured(number: int) -> None:
    backbone = backbones()[number].eval()
    telling_weights(backbone)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 48, 36, 3), dtype=np.uint8)
    images = torch.as_tensor(pictures).permute(0, 3, 1, 2) / 255.0
    rows = mean_rows(layer_values(backbone, images, pictures))
    assert len(rows) == {0: 7, 1: 7, 2: 4, 3: 12, 4: 7}[number]
    for row in rows:
        assert set(row) == {'layer', *MEASURES}
        if row['used'] is not None:
            assert 0 < row['used'] <= 1 and 0 <= row['entropy'] <= 1 + 1e-9
            assert row['shift'] <= 1 and row['flip'] <= 1
        assert 0 <= row['explained_variation'] <= 1
    assert any(row['used'] is not None for row in rows)


def test_centers_of_layers() -> None:
    fec, _, _, enformer, cluenet = (dict(backbone.named_modules()) for backbone in backbones())
    assert [center_count(fec[f'stages.{i}.0.mixer'], (13, 9)) for i in range(4)] == [36, 4, 4, 1]
    assert center_count(fec['downsamples.0'], (13, 9)) == center_count(cluenet['downsamples.0'], (13, 9)) == 7 * 5
    parts = [center_count(enformer[f'stages.0.0.mixer{part}'], (13, 9)) for part in ('', '.fuzzy', '.hard')]
    assert parts == [13, 9, 4]
    assert center_count(cluenet['stages.0.0.mixer'], (13, 9)) == 9


def test_clusters_that_follow_the_image_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels that are labelled by their colour are labelled alike wherever they are; stripes that stay where they are
    are their mirror image."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 2, (2, 40, 48, 3), dtype=np.uint8) * 255
    images = torch.as_tensor(pictures).permute(0, 3, 1, 2) / 255.0
    columns = np.broadcast_to(np.arange(48) // 8, (2, 1, 40, 48))

    def look(_backbone: torch.nn.Module, images: torch.Tensor) -> tuple[Assignments, dict[str, np.ndarray]]:
        labels = images[:, :1].long()
        return Assignments(dict(colour=labels, place=labels)), dict(colour=labels.numpy(), place=columns)

    monkeypatch.setattr(cluster_rows, '_look', look)
    backbone = torch.nn.ModuleDict(dict(colour=torch.nn.Identity(), place=torch.nn.Identity()))
    colour, place = mean_rows(layer_values(backbone, images, pictures))
    assert colour['shift'] == colour['flip'] == 1
    assert place['flip'] == 1 and place['shift'] < 0.7  # stripes of 8 pixels, two patches
    red = [explained_variation(p[..., 0].ravel(), p.reshape(-1, 3)) for p in pictures]
    assert colour['explained_variation'] == pytest.approx(np.mean(red))


def test_no_clusters() -> None:
    with pytest.raises(UserError, match='has no clustering layer'):
        layer_values(torch.nn.Conv2d(3, 4, 3), torch.zeros(1, 3, 32, 32), np.zeros((1, 32, 32, 3)))
