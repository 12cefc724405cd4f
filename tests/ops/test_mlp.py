"""MLPs, batch norms of branches, scaled projections and attention of few queries, by hand and by plain operators."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fec_mm.ops import branches, few_queries, mlp
from fec_mm.ops.attention import directions
from fec_mm.ops.linear import scaled
from fec_mm.ops.vectors import normalize

from .test_ensemble import assert_alike, gradients, leaves

KEPT = pytest.mark.parametrize('kept', [0, 1 << 20])  # nothing is few, or everything here


@KEPT
def test_silu_mlp(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlp, 'KEPT', kept)
    inputs = leaves((70_000, 3), (4, 3), (4,), (2, 4), (2,))  # two tiles
    x, weight1, bias1, weight2, bias2 = inputs
    expected = F.linear(F.silu(F.linear(x, weight1, bias1)), weight2, bias2)
    got = mlp.silu_mlp(*inputs)
    assert_alike([got, *gradients(got, inputs)], [expected, *gradients(expected, inputs)])


@KEPT
def test_conv_mlp(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlp, 'KEPT', kept)
    inputs = leaves((2, 5, 4, 3), (8, 3), (8,), (8, 1, 3, 3), (8,), (2, 8), (2,))
    x, weight1, bias1, kernel, shift, weight2, bias2 = inputs
    hidden = F.conv2d(F.linear(x, weight1, bias1).permute(0, 3, 1, 2), kernel, shift, padding=1, groups=8)
    expected = F.linear(F.gelu(hidden).permute(0, 2, 3, 1), weight2, bias2)
    got = mlp.conv_mlp(*inputs)
    assert_alike([got, *gradients(got, inputs)], [expected, *gradients(expected, inputs)])


@KEPT
@pytest.mark.parametrize('pointed', [True, False])
def test_normed_sum(pointed: bool, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branches, 'KEPT', kept)
    C = 3
    inputs = leaves((4, C, 5, 6), (C,), (4, C, 5, 6), (4, C, 5, 6), *[(C,)] * 8)
    x, point, first, second, *learnt = inputs
    maps = [first] if pointed else [first, second]
    buffers = [[torch.zeros(C).double(), torch.ones(C).double()] for _ in range(6)]
    norms = [branches.Norm(w, b, *buffer, 0.1, 1e-5) for w, b, buffer in zip(learnt[::2], learnt[1::2], buffers[:3])]
    got = branches.normed_sum(x, maps, point if pointed else None, norms)

    def norm(z: Tensor, i: int) -> Tensor:
        return F.batch_norm(z, *buffers[3 + i], learnt[2 * i], learnt[2 * i + 1], True, 0.1, 1e-5)

    expected = norm(norm(first, 0) + norm(x * point[:, None, None] if pointed else second, 1), 2)
    used = [x, point, first, *learnt[:6]] if pointed else [first, second, *learnt[:6]]
    assert_alike([got, *gradients(got, used)], [expected, *gradients(expected, used)])
    for ours, pytorchs in zip(buffers[:3], buffers[3:]):
        assert_alike(ours, pytorchs)


def test_scaled_projection() -> None:
    inputs = leaves((4, 3), (4,), (4,))
    weight, bias, scale = inputs
    got, expected = torch.cat([t.flatten() for t in scaled(*inputs)]), (weight * scale[:, None], bias * scale)
    plain = torch.cat([t.flatten() for t in expected])
    assert_alike([got, *gradients(got, inputs)], [plain, *gradients(plain, inputs)])
    assert scaled(weight, bias, None) == (weight, bias)


@pytest.mark.parametrize('tile', [1, 1 << 20])
def test_few_queries(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What GPUs take is the same attention."""
    inputs = leaves((2, 3, 4, 5), (2, 3, 9, 5), (2, 3, 9, 5))
    expected = few_queries.attention(*inputs)
    monkeypatch.setattr(few_queries, 'products_are_faster', lambda queries: True)
    monkeypatch.setattr(few_queries, 'tile_size', lambda device: tile)
    got = few_queries.attention(*inputs)
    assert_alike([got, *gradients(got, inputs)], [expected, *gradients(expected, inputs)])


def test_directions() -> None:
    (x,) = leaves((2, 7, 3, 4))
    got, expected = directions(x), normalize(x)
    assert_alike([got, *gradients(got, [x])], [expected, *gradients(expected, [x])])
    zero = torch.zeros(1, 4, requires_grad=True)
    directions(zero).sum().backward()
    assert zero.grad is not None and not zero.grad.any()
