"""The necks: what they equal, step by step and without similarity; contract, any size, gradients, bad settings."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import pytest
import torch
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from fec_mm.device.recordings import telling_weights
from fec_mm.models import ClusterFPN, ClusterGAP
from fec_mm.visualization import record_assignments
from tests.ops import naive

CHANNELS = [6, 8, 10]
NORM = dict(norm_cfg=dict(type='BN'), act_cfg=dict(type='ReLU'))
SCOPES = pytest.mark.parametrize('scope', ['mmdet', 'mmseg'])
NEAR_ALL = pytest.mark.parametrize('candidates', ['near', 'all'])
EXTRAS = pytest.mark.parametrize('extra', [False, 'on_input', 'on_lateral', 'on_output'])


def build(scope: str = 'mmdet', **kwargs: Any) -> ClusterFPN:
    with DefaultScope.overwrite_default_scope(scope):
        neck = ClusterFPN(**{'in_channels': CHANNELS, 'out_channels': 12, 'num_outs': 3, **kwargs})
    telling_weights(neck)
    return neck


def plain(scope: str, **kwargs: Any) -> nn.Module:
    fpn = import_module(f'{scope}.models.necks').FPN(
        **{'in_channels': CHANNELS, 'out_channels': 12, 'num_outs': 3, **kwargs}
    )
    telling_weights(fpn)
    return fpn


def maps(sizes: list[tuple[int, int]], B: int = 2, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(B, C, *size, generator=generator).to(dtype) for C, size in zip(CHANNELS, sizes)]


EVEN, ODD, ANY = [(16, 24), (8, 12), (4, 6)], [(17, 21), (9, 11), (5, 6)], [(11, 8), (7, 3), (1, 2)]


@SCOPES
@pytest.mark.parametrize(
    'settings',
    [
        {},
        dict(num_outs=5),
        dict(num_outs=5, add_extra_convs=True),
        dict(num_outs=5, add_extra_convs='on_input'),
        dict(num_outs=4, add_extra_convs='on_lateral'),
        dict(num_outs=6, add_extra_convs='on_output', relu_before_extra_convs=True),
        dict(start_level=1),
        dict(start_level=1, num_outs=4, add_extra_convs='on_output'),
        dict(end_level=1, num_outs=None),
        NORM,
        dict(no_norm_on_lateral=True, **NORM),
        dict(upsample_cfg=dict(mode='bilinear')),
        dict(upsample_cfg=dict(mode='nearest', scale_factor=2)),
    ],
    ids=str,
)
def test_without_similarity_it_is_the_toolboxes_fpn(scope: str, settings: dict) -> None:
    """Exactly: parameters by name, outputs and gradients, whatever the arguments. Only mmdet's `end_level` is
    inclusive."""
    if 'num_outs' in settings and settings['num_outs'] is None:
        settings = {**settings, 'num_outs': 2 if scope == 'mmdet' else 1}
    neck, fpn = build(scope, candidates=None, **settings), plain(scope, **settings)
    neck.load_state_dict(fpn.state_dict(), strict=True)
    for sizes in [EVEN] if 'scale_factor' in settings.get('upsample_cfg', {}) else [EVEN, ODD, ANY]:
        grads = []
        for model in (neck, fpn):
            inputs = [x.requires_grad_() for x in maps(sizes)]
            outs = model(inputs)
            sum(o.square().sum() for o in outs).backward()
            grads.append((outs, [x.grad for x in inputs if x.grad is not None]))
        (outs, got), (expected, wanted) = grads
        assert len(outs) == len(expected) and len(got) == len(wanted)
        assert all(torch.equal(a, b) for a, b in zip([*outs, *got], [*expected, *wanted]))


@SCOPES
@pytest.mark.parametrize('sizes', [EVEN, ODD])
def test_a_similarity_of_one_copies_like_fpn(scope: str, sizes: list[tuple[int, int]]) -> None:
    """α = 0, β = ∞: everything ties and goes to its own cell, with a weight of one. FPN's checkpoint is all that it
    needs."""
    neck, fpn = build(scope, num_outs=4), plain(scope, num_outs=4)
    missing, unexpected = neck.load_state_dict(fpn.state_dict(), strict=False)
    assert not unexpected and all(key.startswith('dispatches.') for key in missing)
    for layer in neck.dispatches:
        nn.init.zeros_(layer.alpha)
        nn.init.constant_(layer.beta, float('inf'))
    outs, expected = neck(maps(sizes)), fpn(maps(sizes))
    assert all(torch.equal(a, b) for a, b in zip(outs[:3], expected[:3]))


def transcription(neck: ClusterFPN, inputs: list[Tensor], near: bool, extra: str | bool) -> list[Tensor]:
    """Position by position."""
    x = [conv(x) for conv, x in zip(neck.lateral_convs, inputs)]
    for i in (1, 0):
        layer = neck.dispatches[i]
        f = layer.f(inputs[i])
        f, keys = (t.permute(0, 2, 3, 1) for t in (f, nn.functional.adaptive_avg_pool2d(f, x[i + 1].shape[2:])))
        x[i] = x[i] + naive.send(f, keys, x[i + 1], layer.alpha, layer.beta, near)[0]
    outs = [conv(t) for conv, t in zip(neck.fpn_convs, x)]
    source = {False: outs[-1], 'on_input': inputs[-1], 'on_lateral': x[-1], 'on_output': outs[-1]}[extra]
    for i in (3, 4):
        rows = source.permute(0, 2, 3, 1)
        if extra:
            pool = neck.pools[i - 3]
            rep = naive.pool(rows, pool.f.weight, pool.f.bias, pool.v.weight, pool.v.bias)[0]
            rep = nn.functional.group_norm(rep.permute(0, 3, 1, 2), 1, pool.norm.weight, pool.norm.bias)
            source = neck.fpn_convs[i](source) + rep
        else:
            eye, zero = torch.eye(12, dtype=rows.dtype), rows.new_zeros(12)
            source = naive.pool(rows, eye, zero, eye, zero)[0].permute(0, 3, 1, 2)
        outs.append(source)
    return outs


@EXTRAS
@pytest.mark.parametrize(('candidates', 'sizes'), [('near', ANY), ('near', [(9, 7), (5, 4), (3, 2)]), ('all', ANY)])
def test_fpn_equals_its_transcription(candidates: str, extra: str | bool, sizes: list[tuple[int, int]]) -> None:
    neck = build(num_outs=5, add_extra_convs=extra, candidates=candidates).double()
    results = []
    for run in (neck, lambda x: transcription(neck, x, candidates == 'near', extra)):
        inputs = [x.requires_grad_() for x in maps(sizes, 1, torch.float64)]
        outs = run(inputs)
        loss = sum((o * torch.linspace(-1, 2, o.numel(), dtype=o.dtype).view_as(o)).sum() for o in outs)
        params = [p for p in neck.parameters() if p.requires_grad]
        results.append([*outs, *torch.autograd.grad(loss, [*inputs, *params], allow_unused=True)])
    for got, expected in zip(*results):
        torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-9)


@SCOPES
@NEAR_ALL
@EXTRAS
def test_fpn_has_the_shapes_of_the_toolboxes(scope: str, candidates: str, extra: str | bool) -> None:
    settings = dict(num_outs=5, add_extra_convs=extra)
    neck, fpn = build(scope, candidates=candidates, **settings), plain(scope, **settings)
    for sizes in (EVEN, ODD, ANY):
        outs, expected = neck(maps(sizes)), fpn(maps(sizes))
        assert [o.shape for o in outs] == [e.shape for e in expected]
        assert all(o.is_contiguous() and torch.isfinite(o).all() for o in outs)


@EXTRAS
@pytest.mark.parametrize('start_level', [0, 1])
def test_every_trainable_parameter_of_fpn_gets_a_gradient(extra: str | bool, start_level: int) -> None:
    neck = build(num_outs=5 - start_level, add_extra_convs=extra, start_level=start_level)
    sum(o.square().mean() for o in neck(maps(EVEN))).backward()
    for name, p in neck.named_parameters():
        assert (p.grad is not None and p.grad.abs().sum() > 0) if p.requires_grad else p.grad is None, name


def test_similarity_matters() -> None:
    """With these weights another choice changes the outputs: a test on them can notice a wrong one."""
    near, every = (build(candidates=candidates)(maps(EVEN))[0] for candidates in ('near', 'all'))
    assert (near - every).norm() / near.norm() > 0.05


def test_assignments_of_fpn_are_recorded() -> None:
    neck = build(num_outs=4)
    with record_assignments(neck) as record:
        neck(maps(ODD))
    shapes = {name: tuple(ids.shape) for name, ids in record.layers.items()}
    assert shapes == {'dispatches.1': (2, 1, 9, 11), 'dispatches.0': (2, 1, 17, 21), 'pools.0': (2, 1, 5, 6)}
    assert all(ids.max() < limit for ids, limit in zip(record.layers.values(), (30, 99, 9)))
    assert not record.pools  # the hierarchy of clusters is the backbone's


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_mixed_precision(dtype: torch.dtype) -> None:
    neck, gap, x = build(num_outs=5, add_extra_convs='on_input'), gap_of(8), maps(EVEN)
    exact, mean = neck(x), gap(x[1])
    with torch.autocast('cpu', dtype):
        half, half_mean = neck(x), gap(x[1].to(dtype))
    sum(o.float().square().mean() for o in [*half, half_mean]).backward()
    assert all(torch.isfinite(p.grad).all() for p in [*neck.parameters(), *gap.parameters()] if p.grad is not None)
    for h, e in [(half[0], exact[0]), (half_mean, mean)]:
        assert ((h.float() - e).norm() / e.norm()).item() < 0.05


def test_deterministic_algorithms() -> None:
    neck, gap, x = build(num_outs=4), gap_of(8), maps(EVEN)
    torch.use_deterministic_algorithms(True)
    try:
        (sum(o.sum() for o in neck(x)) + gap(x[1]).sum()).backward()
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(
    ('settings', 'says'),
    [
        (dict(candidates='some'), "candidates='some' must be 'near', 'all' or None"),
        (dict(upsample_cfg=dict(mode='bilinear')), 'leave it out, or set candidates=None'),
    ],
)
def test_contradicting_settings_of_fpn(settings: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says) as error:
        build(**settings)
    assert '\n' not in str(error.value)


def test_fpn_wants_all_maps() -> None:
    with pytest.raises(ValueError, match='got 2 maps'):
        build()(maps(EVEN)[:2])


def gap_of(channels: int, **kwargs: Any) -> ClusterGAP:
    gap = ClusterGAP(channels, **kwargs)
    telling_weights(gap)
    return gap


@pytest.mark.parametrize('side', [1, 3, 7])
def test_a_representative_for_each_position_is_the_global_average(side: int) -> None:
    gap = gap_of(8, num_representatives=side**2).double()
    x = torch.randn(3, 8, side, side, dtype=torch.float64)
    assert (gap(x) - x.mean((2, 3))).abs().max() > 1e-6 or side == 1
    nn.init.zeros_(gap.logits)
    from mmpretrain.models.necks import GlobalAveragePooling

    expected = GlobalAveragePooling()((x,))
    got = gap((x,))
    assert isinstance(got, tuple) and len(got) == len(expected) == 1
    torch.testing.assert_close(got[0], expected[0])


@pytest.mark.parametrize('size', [(6, 7), (5, 3), (1, 2)])
def test_gap_equals_its_transcription(size: tuple[int, int]) -> None:
    gap = gap_of(5, num_representatives=9, head_dim=4).double()
    x = torch.randn(2, 5, *size, dtype=torch.float64)
    rep, ids = naive.represent(x.permute(0, 2, 3, 1), gap.f.weight, gap.f.bias, gap.alpha, gap.beta, centers=3)
    with record_assignments(gap) as record:
        y = gap(x)
    torch.testing.assert_close(y, torch.einsum('bkc,k->bc', rep, gap.logits.softmax(0)))
    assert torch.equal(record.layers[''], ids)


def test_every_parameter_of_gap_gets_a_gradient() -> None:
    gap = gap_of(8)
    gap(torch.randn(2, 8, 9, 7)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in gap.parameters())


@pytest.mark.parametrize('K', [0, 2, -4])
def test_representatives_are_a_square(K: int) -> None:
    with pytest.raises(ValueError, match=f'num_representatives={K} must be a square'):
        ClusterGAP(8, K)
    assert math.isqrt(16) == ClusterGAP(8).centers


@pytest.mark.parametrize('wrong', [[torch.ones(1, 8, 4, 4)], (torch.ones(1, 8, 4, 4), torch.ones(1, 8, 2, 2))])
def test_gap_of_anything_but_one_map(wrong: Any) -> None:
    with pytest.raises(
        (TypeError, ValueError), match=r'takes (a map or a tuple with one, and got a list|one map and got 2)'
    ):
        ClusterGAP(8)(wrong)


@pytest.mark.parametrize('candidates', ['near', 'all'])
def test_positions_without_a_feature_do_not_swamp_the_gradients(candidates: str) -> None:
    """As of a map that is zero where there is nothing, and a new neck, whose bias is zero."""
    neck = build(candidates=candidates)
    for dispatch in neck.dispatches:
        nn.init.zeros_(dispatch.f.bias)
    inputs = maps(EVEN)
    gradients = []
    for zero in (False, True):
        for x in inputs[:-1] if zero else []:
            x[:, :, :2, :2] = 0
        neck.zero_grad()
        sum(y.square().mean() for y in neck(inputs)).backward()
        gradients.append(max(p.grad.abs().max().item() for p in neck.dispatches.parameters()))
    assert gradients[1] < 10 * gradients[0]


@pytest.mark.parametrize('candidates', ['near', 'all', None])
def test_no_images(candidates: str | None) -> None:
    assert [tuple(y.shape) for y in build(candidates=candidates)(maps(EVEN, B=0))] == [
        (0, *y.shape[1:]) for y in build(candidates=candidates)(maps(EVEN, B=1))
    ]
