"""Soft sums and values against loops, and reconstructions against closed forms."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fec_mm.ops import near_scores, reconstruct
from fec_mm.ops.soft import soft_sums, soft_values


def scores_of(H: int, W: int, seed: int, batch: int = 2) -> tuple[Tensor, Tensor]:
    """Scores and candidates of random features."""
    torch.manual_seed(seed)
    f = torch.randn(batch, H, W, 3, dtype=torch.float64)
    return near_scores(f, torch.randn(batch, (H + 1) // 2, (W + 1) // 2, 3, dtype=torch.float64), 0.1)


def own_cells(H: int, W: int, batch: int = 1) -> Tensor:
    """Scores by which each position belongs to its own cell."""
    scores = torch.full((batch, H, W, 9), -1e3, dtype=torch.float64)
    scores[..., 0] = 0
    return scores


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**16))
def test_sums_and_values_equal_loops(H: int, W: int, seed: int) -> None:
    scores, candidates = scores_of(H, W, seed)
    shares, values = scores.softmax(-1), torch.randn(2, H, W, 2, dtype=torch.float64)
    h, w = (H + 1) // 2, (W + 1) // 2
    sums = torch.zeros(2, h * w, 2, dtype=torch.float64)
    for b in range(2):
        for y in range(H):
            for x in range(W):
                for n in range(9):
                    sums[b, candidates[y, x, n]] += shares[b, y, x, n] * values[b, y, x]
    torch.testing.assert_close(soft_sums(shares, values), sums.unflatten(1, (h, w)))
    back = (shares[..., None] * sums[:, candidates]).sum(3)
    torch.testing.assert_close(soft_values(shares, sums.unflatten(1, (h, w))), back)


def test_own_cells_are_means_of_blocks() -> None:
    values = torch.arange(64, dtype=torch.float64).view(1, 8, 8, 1)
    levels = reconstruct([own_cells(8, 8), own_cells(4, 4)], values, torch.ones_like(values), 1.0)
    for level, found in zip((2, 4), levels):
        blocks = values.view(8 // level, level, 8 // level, level).mean((1, 3))
        expected = blocks.repeat_interleave(level, 0).repeat_interleave(level, 1)
        torch.testing.assert_close(found[0, :, :, 0], expected)


@settings(deadline=None, max_examples=15)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 2**16))
def test_constants_come_back_and_means_stay(H: int, W: int, seed: int) -> None:
    """What is alike everywhere is reconstructed exactly; a reconstruction has the mean of what it reconstructs."""
    first = scores_of(H, W, seed)[0]
    second = scores_of((H + 1) // 2, (W + 1) // 2, seed + 1)[0]
    values = torch.randn(2, H, W, 1, dtype=torch.float64)
    weight = torch.ones_like(values)
    for found in reconstruct([first, second], torch.cat([values, weight], -1), weight, 0.3):
        torch.testing.assert_close(found[..., 1], weight[..., 0])
        torch.testing.assert_close(found[..., 0].mean((1, 2)), values[..., 0].mean((1, 2)))


def test_positions_without_weight_are_not_in_the_means() -> None:
    values = torch.tensor([[1.0, 2.0], [3.0, 1e6]], dtype=torch.float64).view(1, 2, 2, 1)
    weight = (values < 10).double()
    (found,) = reconstruct([own_cells(2, 2)], values, weight, 1.0)
    torch.testing.assert_close(found, torch.full_like(found, 2.0))


def test_gradients() -> None:
    first, second = (scores_of(*size, seed=3, batch=1)[0] for size in ((3, 4), (2, 2)))
    inside = [torch.isfinite(scores) for scores in (first, second)]
    free = [scores[mask].requires_grad_() for scores, mask in zip((first, second), inside)]
    values = torch.randn(1, 3, 4, 1, dtype=torch.float64)

    def run(*numbers: Tensor) -> list[Tensor]:
        scores = [
            torch.full(mask.shape, -float('inf'), dtype=torch.float64).masked_scatter(mask, own)
            for own, mask in zip(numbers, inside)
        ]
        return reconstruct(scores, values, torch.ones_like(values), 0.5)

    assert torch.autograd.gradcheck(run, free)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_full(dtype: torch.dtype) -> None:
    scores, values = scores_of(6, 6, 0)[0].to(dtype), torch.randn(2, 6, 6, 1).to(dtype)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        (found,) = reconstruct([scores], values, torch.ones_like(values), 0.05)
    (expected,) = reconstruct([scores.double()], values.double(), torch.ones_like(values).double(), 0.05)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
