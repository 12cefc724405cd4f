"""Multiply-adds against the published figures, other counters, and counting by hand."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from mmengine.analysis import FlopAnalyzer
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fec_mm.evaluation import flops
from fec_mm.evaluation.flops import Count, MultiplyAdds, count_backbone
from fec_mm.models import FEC, CLUENet, ContextCluster, EnFormer
from fec_mm.models.backbones.cluster_backbone import ClusterBackbone
from fec_mm.models.layers import EncodingLayer, PoolingLayer, PoolSettings

from .test_timing import ARCH


@pytest.mark.parametrize(
    ('arch', 'parameters', 'published'),
    [('small', 5_727_528, '1.366'), ('base', 15_086_848, '3.350'), ('large', 29_720_344, '6.509')],
)
def test_published(arch: str, parameters: int, published: str) -> None:
    backbone = FEC(arch).eval()
    head = nn.Linear(FEC.arch_settings[arch]['embed_dims'][-1], 1000)
    assert sum(p.numel() for model in (backbone, head) for p in model.parameters()) == parameters
    count, maps = count_backbone(backbone, (3, 224, 224), 'reference')
    assert f'{(count.in_convention + head.weight.numel()) / 1e9:.3f}' == published
    assert maps == [(1, head.in_features, 7, 7)] and not count.missed
    assert count_backbone(backbone, (3, 224, 224))[0].every < 0.9 * count.in_convention


@pytest.mark.parametrize('family', [FEC, ContextCluster])
def test_reference_as_fvcore_counts_it(family: type[ClusterBackbone]) -> None:
    """mmengine has a copy of fvcore's counter, which knows nothing of how the published code is written."""
    backbone = family(ARCH, out_indices=(0, 1)).eval()
    count = count_backbone(backbone, (3, 64, 36), 'reference')[0]
    # Of 16×9 positions in 2×2 regions of 8×6, 12 centers each.
    sums = 4 * 12 * 48 * 12 if family is FEC else 0
    assert count.others['sums over clusters'] == sums
    reference = family(ARCH, out_indices=(0, 1)).eval()
    for module in reference.modules():
        if hasattr(module, 'implementation'):
            module.implementation = 'reference'
    logging.disable(logging.WARNING)
    try:
        assert FlopAnalyzer(reference, torch.randn(1, 3, 64, 36)).total() == count.in_convention + sums
    finally:
        logging.disable(logging.NOTSET)
    assert count_backbone(backbone, (3, 64, 36))[0] != count  # and it is fast again


@pytest.mark.parametrize('implementation', ['fast', 'reference'])
def test_without_computing(implementation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = FEC(ARCH, out_indices=(0, 1)).eval()
    computed = count_backbone(backbone, (3, 64, 36), implementation)
    monkeypatch.setattr(flops, 'RUN', 0)
    count, maps = count_backbone(backbone, (3, 64, 36), implementation)
    assert (count.fvcore, count.others, count.missed) == (
        computed[0].fvcore,
        computed[0].others,
        {},
    ) and maps == computed[1]


def counted(run: nn.Module, *inputs: torch.Tensor) -> Count:
    with torch.no_grad(), MultiplyAdds() as counter:
        run(*inputs)
    return counter.count


def test_pool_by_hand() -> None:
    """16 positions, 4 centers, 3 channels to 5."""
    count = counted(PoolingLayer(3, 5), torch.randn(1, 4, 4, 3))
    centers = 4 * 3 * 5 + 4 * 5 * 3 + 4 * 5  # features, and back to the input's channels, and their bias
    scores, values, skip, norm = 16 * 4 * 3, 4 * 3 * 5, 4 * 5 * 3 * 9, 5 * 4 * 5
    assert count.in_convention == centers + scores + values + skip + norm
    assert count.others['aten.index_add_'] == 16 * 3 + 16  # sums and counts
    assert not count.missed


def test_near_pool_by_hand() -> None:
    """16 positions in four cells, 3 channels and the 1, two iterations."""
    N, M, C, D = 16, 4, 4, 5
    count = counted(PoolingLayer(3, D, settings=PoolSettings()), torch.randn(1, 4, 4, 3))
    metric, norms, centers = C * D * C, N * C * C, 3 * 2 * M * C * C
    products, values, skip, norm = 2 * 9 * N * C, M * 3 * D, M * D * 3 * 9, 5 * M * D
    assert count.in_convention == metric + norms + centers + products + values + skip + norm
    assert count.others['aten.index_add_'] == 2 * N * C and not count.missed


@pytest.mark.parametrize(('centers', 'heads'), [(2, 3), (9, 2)], ids=['one-hot', 'gather'])
def test_encode_by_hand(centers: int, heads: int) -> None:
    """10×10 positions, 6 channels, heads of 4."""
    N, C, D, M = 100, 6, 4, centers**2
    count = counted(EncodingLayer(C, heads, D, centers), torch.randn(1, 10, 10, C))
    means = centers * 10 * 10 * C + centers * 10 * centers * C  # over rows, then columns
    features = M * C * heads * D + N * C * heads * D
    queries = heads * M * D * C + heads * M * D
    scores = N * heads * M * C
    tables = 2 * heads * M * C * D
    sums = dispatch = N * heads * M * C
    products = means + features + queries + scores + tables
    if centers == 2:
        assert count.in_convention == products + sums + dispatch
    else:
        assert count.in_convention == products
        assert count.others['aten.index_add_'] == heads * (N * C + N)
        assert count.others['aten._embedding_bag_forward_only'] + count.others['aten._embedding_bag'] == N * heads * C
    assert not count.missed


@pytest.mark.parametrize(
    ('layer', 'shape'),
    [
        (nn.Conv2d(4, 6, 3, stride=2, groups=2), (2, 4, 9, 7)),
        (nn.ConvTranspose2d(4, 6, 3, stride=2), (2, 4, 9, 7)),
        (nn.Linear(4, 3, bias=False), (2, 5, 4)),
    ],
    ids=['convolution', 'transposed', 'linear'],
)
def test_products_as_torch_counts_them(layer: nn.Module, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        layer(x)
    assert counted(layer, x).in_convention == counter.get_total_flops() // 2 > 0


def test_kinds_of_operators() -> None:
    x = torch.randn(3, 4)
    with MultiplyAdds() as counter:
        _ = (x + x[:1]).t().clone().sum()
        torch.fft.rfft(x)
        F.scaled_dot_product_attention(x[None, None], x[None, None, :2], x[None, None, :2])
    count = counter.count
    assert count.in_convention == 2 * 3 * 2 * 4  # scores and their sums: three queries, two keys of four numbers
    assert count.others == {'aten.add': 12, 'aten.sum': 12} and count.every == 24 + 48
    assert {'aten.t', 'aten.clone', 'aten.slice'} <= set(count.moving)
    assert count.missed == {'aten._fft_r2c': 1}


@pytest.mark.parametrize(
    'make', [lambda: ContextCluster('tiny'), lambda: EnFormer('small'), lambda: CLUENet('tiny'), lambda: FEC('small')]
)
def test_the_counter_of_torch_counts_every_family(make: Callable[[], nn.Module]) -> None:
    """Forward as above; and of a training step more than twice as much again, as both factors have gradients."""
    backbone, images = make().train(), torch.randn(1, 3, 64, 64)
    known = counted(backbone, images).fvcore
    with torch.no_grad(), FlopCounterMode(display=False) as forward:
        backbone(images)
    # No products, one of a matrix and a vector, and attention on a CPU, which torch's counter does not know.
    norms = ('aten.native_group_norm', 'aten.native_batch_norm', 'aten.native_layer_norm')
    others = (*norms, 'aten.mv', 'aten._scaled_dot_product_flash_attention_for_cpu')
    assert forward.get_total_flops() == 2 * sum(n for operator, n in known.items() if operator not in others)
    with FlopCounterMode(display=False) as step:
        backbone(images)[-1].sum().backward()
    # Without convolutions: of the gradients of depthwise ones torch counts the channels' number of times too many.
    both, one = (
        sum(n for operator, n in counter.get_flop_counts()['Global'].items() if 'convolution' not in str(operator))
        for counter in (step, forward)
    )
    assert 2.5 < both / one < 4


@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('pool', [None, dict(candidates='near')])
def test_the_counter_of_torch_counts_our_operators(pool: dict | None, training: bool) -> None:
    """All products of the forward pass but those of a matrix and a vector, which it does not know."""
    backbone, images = FEC('small', pool=pool).train(training), torch.randn(1, 3, 96, 96)
    known = counted(backbone, images).fvcore
    others = ('aten.native_group_norm', 'aten.mv')
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        backbone(images)
    assert counter.get_total_flops() == 2 * sum(n for operator, n in known.items() if operator not in others)
    assert pool is None or known['fec_mm.nearest'] > 0
