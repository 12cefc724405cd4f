"""Costs against closed forms."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fec_mm.evaluation.timing import in_turn, necessary_products, peak_growth
from fec_mm.models import FEC, ContextCluster
from fec_mm.models.backbones.cluster_backbone import ClusterBackbone

ARCH = dict(
    depths=(2, 1),
    embed_dims=(8, 12),
    num_heads=(2, 3),
    head_dims=(5, 4),
    mlp_ratios=(3, 2),
    centers_per_side=(3, 2),
    regions_per_side=(1, 2),
)


def multiply_adds(family: type[ClusterBackbone], training: bool) -> int:
    run = necessary_products(family(ARCH).train(training), torch.randn(2, 3, 64, 32))
    counter = FlopCounterMode(display=False)
    with counter:
        run()
    return counter.get_total_flops() // 2


@pytest.mark.parametrize('family', [FEC, ContextCluster])
@pytest.mark.parametrize('training', [False, True], ids=['eval', 'train'])
def test_necessary_products(family: type[ClusterBackbone], training: bool) -> None:
    """By hand: two images of 16×8 and 8×4 positions, 9 and 2²·2² centers. Training takes two more products for each,
    except that images have no gradient."""
    N, n = 2 * 16 * 8, 2 * 8 * 4
    stem = N * 8 * 5 * 16
    first = N * (8 * 10 + 2 * 8 * 24) + 2 * 9 * (8 * 10 + 10 * 8)
    second = n * (12 * 12 + 2 * 12 * 24) + 2 * 16 * (12 * 12 + 12 * 12)
    skip, value = n * 12 * 8 * 9, n * 8 * 12 if family is FEC else 0
    similarity = value  # frozen
    forward, again = 2 * first + second + skip + value, 2 if training else 0
    assert multiply_adds(family, training) == stem * (1 + again // 2) + similarity + forward * (1 + again)


def grow() -> float:
    def run() -> None:
        torch.ones(64, 2**20, dtype=torch.uint8)  # 64 MiB for a moment

    return peak_growth(run, 'cpu')


def test_peak_growth() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
        assert pool.submit(grow).result() == pytest.approx(64, abs=4)


def test_in_turn_alternates_and_forgets_the_first_turn() -> None:
    calls = []
    times = in_turn([lambda: calls.append('a'), lambda: calls.append('b')], 'cpu', repeats=3)
    assert calls == ['a', 'b'] * 4 and len(times) == 2
