"""EnFormer's and CLUENet's operators against their transcriptions: values, gradients, noise, half precision."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fec_mm.ops import attention, ensemble, reference_attention, reference_ensemble
from fec_mm.ops import consensus as by_hand
from fec_mm.ops.attention import Gate
from fec_mm.ops.ensemble import Similarity, clusterings, log_exponential
from fec_mm.ops.resize import bilinear, with_means

SIDE = st.integers(1, 12)


def leaves(*shapes: tuple[int, ...], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]


def gradients(output: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    weights = torch.cos(torch.arange(output.numel(), dtype=output.dtype)).view_as(output)
    return list(torch.autograd.grad((output * weights).sum(), inputs, retain_graph=True))


def assert_alike(got: list[Tensor], expected: list[Tensor]) -> None:
    for g, e in zip(got, expected):
        torch.testing.assert_close(g, e, rtol=1e-8, atol=1e-10)


def ensemble_inputs(H: int, W: int, heads: int, fuzzy: int, hard: int) -> list[Tensor]:
    C, D = 5, 4
    shapes = [(2, H, W, C), (5 * heads * D, C), (5 * heads * D,), (6, heads * D), (6,)]
    return leaves(*shapes, *((n,) for n in (fuzzy, fuzzy, hard, hard, fuzzy + hard, fuzzy + hard)))


def run_ensemble(run: Any, inputs: list[Tensor], watched: bool = True, **settings: Any) -> tuple[Tensor, Any]:
    pairs = [Similarity(*inputs[i : i + 2]) for i in (5, 7, 9)]
    return run(*inputs[:5], *pairs, watched=watched, **settings)


@given(
    H=SIDE, W=SIDE, heads=st.integers(1, 3), m=st.tuples(st.integers(1, 4), st.integers(1, 4)), agents=st.integers(0, 5)
)
@settings(max_examples=25, deadline=None)
def test_ensemble(H: int, W: int, heads: int, m: tuple[int, int], agents: int) -> None:
    inputs = ensemble_inputs(H, W, heads, m[0] ** 2, m[1] ** 2)
    results = []
    for run in (ensemble, reference_ensemble.ensemble):
        y, memberships = run_ensemble(run, inputs, heads=heads, agents=agents)
        results.append([y, *memberships, *gradients(y, inputs)])
    assert_alike(*results)


@pytest.mark.parametrize('tile', [1, 1 << 20])
@pytest.mark.parametrize('noisy', [False, True])
def test_consensus_by_hand(noisy: bool, tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values and gradients are those of plain operators, when positions come in tiles too."""
    monkeypatch.setattr(by_hand, 'tile_size', lambda device: tile)
    B, heads, n, F, P = 2, 3, 200, 9, 4
    maps, *similarities = leaves((B, n + F + P, 5 * heads * 4), (F,), (F,), (P,), (P,), (F + P,), (F + P,))
    noise = log_exponential(maps, (B * heads, n, P)) if noisy else None
    got = by_hand.consensus(maps, tuple(similarities), heads, noise)
    expected, _ = clusterings(maps, tuple(similarities), heads, n, noise, False)
    results = [[y, *gradients(y, [maps, *similarities])] for y in (got, expected)]
    assert_alike(*results)
    assert torch.equal(got, by_hand.consensus(maps, tuple(similarities), heads, noise))


def test_consensus_of_vectors_that_are_zero() -> None:
    """They have no direction, and no gradient."""
    maps, *similarities = leaves((1, 9 + 1 + 1, 5 * 4), (1,), (1,), (1,), (1,), (2,), (2,))
    with torch.no_grad():
        maps[:, :, :4] = 0
    y = by_hand.consensus(maps, tuple(similarities), 1, None)
    expected, _ = clusterings(maps, tuple(similarities), 1, 9, None, False)
    torch.testing.assert_close(y, expected)
    y.square().sum().backward()
    assert maps.grad is not None and maps.grad.isfinite().all() and not maps.grad[:, :, :4].any()


def test_second_call_watched_gives_the_same_map() -> None:
    inputs = ensemble_inputs(6, 5, 2, 4, 1)
    alone, none = run_ensemble(ensemble, inputs, watched=False, heads=2, agents=3)
    watched, _ = run_ensemble(ensemble, inputs, heads=2, agents=3)
    assert none is None and torch.equal(alone, watched)


def test_noise_is_gumbel_and_torchs() -> None:
    torch.manual_seed(3)
    like = torch.zeros(())
    noise = -log_exponential(like, (1, 100_000, 4))
    torch.manual_seed(3)
    assert torch.equal(noise, -log_exponential(like, (1, 100_000, 4)))
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.01)  # Euler's constant
    assert noise.var().item() == pytest.approx(torch.pi**2 / 6, abs=0.02)
    chosen = (noise + torch.tensor([0.0, 1.0, 2.0, 3.0])).argmax(-1).flatten().bincount() / 100_000
    torch.testing.assert_close(chosen, torch.tensor([0.0, 1.0, 2.0, 3.0]).softmax(0), atol=0.01, rtol=0)


@given(H=SIDE, W=SIDE, heads=st.integers(1, 3), centers=st.integers(1, 4), sign=st.sampled_from([-1.0, 1.0]))
@settings(max_examples=25, deadline=None)
def test_attention(H: int, W: int, heads: int, centers: int, sign: float) -> None:
    C, D, h = 5, 4, 2
    inner = heads * D
    shapes = [
        (2, H, W, C),
        (inner, C),
        (inner,),
        (inner, C),
        (inner,),
        (),
        (heads, h, 2 * D),
        (heads, h),
        (heads, 1, h),
    ]
    inputs = leaves(*shapes, (heads, 1), (inner, inner), (inner,), (1,), (1,), (C, inner), (C,))
    with torch.no_grad():
        inputs[12].abs_().mul_(sign)
    results = []
    for run in (attention, reference_attention):
        attended = run.attend(*inputs[:6], Gate(*inputs[6:10]), heads=heads, centers=centers)
        chosen = run.choose(attended, *inputs[10:14])
        y = run.spread(attended.values, chosen, *inputs[14:])
        results.append([y, *gradients(y, inputs)])
    assert_alike(*results)


@given(H=SIDE, W=SIDE, sides=st.lists(st.integers(1, 14), min_size=1, max_size=3), positions=st.booleans())
@settings(max_examples=25, deadline=None)
def test_means_are_pytorchs(H: int, W: int, sides: list[int], positions: bool) -> None:
    (x,) = leaves((2, H, W, 3))
    maps = x.permute(0, 3, 1, 2)
    means = [torch.nn.functional.adaptive_avg_pool2d(maps, side) for side in sides]
    expected = torch.cat([t.flatten(2).transpose(1, 2) for t in [maps] * positions + means], 1)
    got = with_means(x, sides, positions)
    assert_alike([got, *gradients(got, [x])], [expected, *gradients(expected, [x])])


@given(H=SIDE, W=SIDE, side=st.integers(1, 14))
@settings(max_examples=25, deadline=None)
def test_interpolation_is_pytorchs(H: int, W: int, side: int) -> None:
    x = torch.randn(2, H, W, 3, dtype=torch.float64)
    maps = x.permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate(maps, (side, 2 * side), mode='bilinear', align_corners=False)
    torch.testing.assert_close(bilinear(x, (side, 2 * side)).permute(0, 3, 1, 2), expected)
