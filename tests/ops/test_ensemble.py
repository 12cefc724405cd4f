"""EnFormer's and CLUENet's operators against their transcriptions: values, gradients, noise, half precision."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fec_mm.ops import attention, ensemble, reference_attention, reference_ensemble, soft_sums
from fec_mm.ops.attention import Gate
from fec_mm.ops.ensemble import Similarity
from fec_mm.ops.mlp import SiluMLP, silu_mlp
from fec_mm.ops.resize import adaptive_means, bilinear

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


def run_ensemble(run: Any, inputs: list[Tensor], **settings: Any) -> tuple[Tensor, Any]:
    pairs = [Similarity(*inputs[i : i + 2]) for i in (5, 7, 9)]
    return run(*inputs[:5], *pairs, watched=True, **settings)


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


@pytest.mark.parametrize('noisy', [False, True])
def test_sums_in_tiles(noisy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums and gradients are those of plain operators when positions come in tiles."""
    inputs = leaves((3, 200, 4), (3, 6, 4), (3, 200, 5))
    with torch.no_grad():
        inputs[2][..., -1] = 1
    noise = soft_sums.gumbel_like(inputs[0], 6) if noisy else None
    calls = [lambda: soft_sums.fuzzy_sums(*inputs), lambda: soft_sums.hard_sums(*inputs, noise)]
    plain = [(y := call(), *gradients(y, inputs)) for call in calls]
    monkeypatch.setattr(soft_sums, 'tile_size', lambda device: 1)
    for call, expected in zip(calls, plain):
        y = call()
        got = gradients(y, inputs)
        # The counts are of ones: that column has no gradient in tiles.
        got[2], wanted = got[2][..., :-1], [*expected[1:3], expected[3][..., :-1]]
        assert_alike([y, *got], [expected[0], *wanted])


def test_noise_is_gumbel_and_torchs() -> None:
    torch.manual_seed(3)
    noise = soft_sums.gumbel_like(torch.zeros(1, 100_000, 1), 4)
    torch.manual_seed(3)
    assert torch.equal(noise, soft_sums.gumbel_like(torch.zeros(1, 100_000, 1), 4))
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


def test_mlp_in_tiles() -> None:
    inputs = leaves((70_000, 3), (4, 3), (4,), (2, 4), (2,))
    expected = silu_mlp(*inputs)  # few: plain operators
    got = SiluMLP.apply(*inputs)
    assert_alike([got, *gradients(got, inputs)], [expected, *gradients(expected, inputs)])


@given(H=SIDE, W=SIDE, sides=st.lists(st.integers(1, 14), min_size=1, max_size=3))
@settings(max_examples=25, deadline=None)
def test_means_and_interpolation_are_pytorchs(H: int, W: int, sides: list[int]) -> None:
    x = torch.randn(2, H, W, 3, dtype=torch.float64)
    maps = x.permute(0, 3, 1, 2)
    for side, got in zip(sides, adaptive_means(x, sides)):
        torch.testing.assert_close(got.permute(0, 3, 1, 2), torch.nn.functional.adaptive_avg_pool2d(maps, side))
        expected = torch.nn.functional.interpolate(maps, (side, 2 * side), mode='bilinear', align_corners=False)
        torch.testing.assert_close(bilinear(x, (side, 2 * side)).permute(0, 3, 1, 2), expected)
