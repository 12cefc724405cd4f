"""The top-down step and the representatives of a map equal loops over single positions."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import fec_mm.ops.clustering as clustering
from fec_mm.ops import cell_means, dispatch, most_similar, represent

from . import naive
from .test_clustering import assert_same, run, weights

SETTINGS = settings(deadline=None, max_examples=30)
side = st.integers(1, 9)


def send(f: Tensor, keys: Tensor, values: Tensor, alpha: Tensor, beta: Tensor, near: bool) -> tuple[Tensor, Tensor]:
    index, similarity = most_similar(f, keys, alpha, beta, near=near)
    x = values.new_zeros(*values.shape[:2], *index.shape[1:])
    return dispatch(x, values, index, similarity), index


def maps(
    H: int, W: int, h: int, w: int, alpha: float, B: int = 2, D: int = 4, C: int = 3, seed: int = 0
) -> list[Tensor]:
    g = torch.Generator().manual_seed(seed)
    shapes = [(B, H, W, D), (B, h, w, D), (B, C, h, w)]
    values = [torch.randn(s, generator=g, dtype=torch.float64) for s in shapes]
    return [t.requires_grad_() for t in [*values, *torch.tensor([[alpha], [0.2]], dtype=torch.float64)]]


@SETTINGS
@given(
    H=side,
    W=side,
    h=st.integers(1, 5),
    w=st.integers(1, 5),
    alpha=st.sampled_from([1.1, 0.0, -0.8]),
    near=st.booleans(),
    seed=st.integers(0, 9),
)
def test_top_down_step_equals_loops(H: int, W: int, h: int, w: int, alpha: float, near: bool, seed: int) -> None:
    """Any two sizes, whatever their ratio; gradients included."""
    x, *others = maps(H, W, h, w, alpha, seed=seed)
    assert_same(run(send, x, others, near=near), run(naive.send, x, others, near=near))


@pytest.mark.parametrize(
    ('fine', 'coarse'), [((8, 12), (4, 6)), ((7, 9), (4, 5)), ((5, 13), (3, 7)), ((6, 4), (5, 4)), ((9, 9), (1, 1))]
)
def test_without_similarity_it_is_nearest_interpolation(fine: tuple[int, int], coarse: tuple[int, int]) -> None:
    f, keys, values, alpha, _ = maps(*fine, *coarse, alpha=0.0)
    y, _ = send(f, keys, values, alpha, torch.tensor([float('inf')]), near=True)
    assert torch.equal(y, F.interpolate(values, size=fine, mode='nearest'))


@SETTINGS
@given(H=side, W=side, h=st.integers(1, 5), w=st.integers(1, 5), seed=st.integers(0, 9))
def test_cell_means_are_adaptive_average_pooling(H: int, W: int, h: int, w: int, seed: int) -> None:
    f = maps(H, W, h, w, 1.0, seed=seed)[0].detach()
    expected = F.adaptive_avg_pool2d(f.permute(0, 3, 1, 2), (h, w)).permute(0, 2, 3, 1)
    torch.testing.assert_close(cell_means(f, (h, w)), expected)
    with torch.autocast('cpu', torch.bfloat16):
        assert cell_means(f.bfloat16(), (h, w)).dtype == torch.float32


def test_similarity_finds_what_is_near() -> None:
    """The keys shifted by one cell: each position takes from the neighbour that looks like it."""
    keys = torch.eye(16).view(1, 4, 4, 16)
    f = keys.roll(1, 2).repeat_interleave(2, 1).repeat_interleave(2, 2)
    index, similarity = most_similar(f, keys, torch.ones(1), torch.zeros(1))
    expected = (torch.arange(16).view(4, 4) - 1).repeat_interleave(2, 0).repeat_interleave(2, 1)
    assert torch.equal(index[0, :, 2:], expected[:, 2:])
    torch.testing.assert_close(similarity[0, :, 2:], torch.full((8, 6), torch.ones(()).sigmoid()))
    # The first column looks like the last, which is no neighbour of it; all others tie.
    assert torch.equal(index[0, :, :2], (expected + 1)[:, :2])
    all_of_them, _ = most_similar(f, keys, torch.ones(1), torch.zeros(1), near=False)
    assert torch.equal(all_of_them[0, ::2, 0], torch.tensor([3, 7, 11, 15]))


@SETTINGS
@given(
    B=st.integers(1, 3),
    H=side,
    W=side,
    C=st.integers(1, 6),
    D=st.integers(2, 5),
    centers=st.integers(1, 4),
    alpha=st.sampled_from([1.1, -0.8]),
    one_hot=st.booleans(),
    seed=st.integers(0, 9),
)
def test_represent_equals_loops(
    B: int, H: int, W: int, C: int, D: int, centers: int, alpha: float, one_hot: bool, seed: int
) -> None:
    """Also on maps smaller than the grid of centers, which then repeat positions."""
    x = torch.randn(B, H, W, C, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    f_weight, f_bias, *_, a, b = weights(C, 1, D, alpha, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clustering, 'one_hot_is_faster', lambda heads, centers: one_hot)
        got = run(represent, x, [f_weight, f_bias, a, b], centers=centers)
    assert_same(got, run(naive.represent, x, [f_weight, f_bias, a, b], centers=centers))


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision(dtype: torch.dtype) -> None:
    """Similarities in float32: the same choice but for near ties, and nothing overflows."""
    x, keys, values, alpha, beta = (t.detach().float() for t in maps(24, 20, 12, 10, 1.1, D=16))
    x = x * 200
    exact, _ = most_similar(x, keys, alpha, beta)
    index, similarity = most_similar(x.to(dtype), keys.to(dtype), alpha.to(dtype), beta.to(dtype))
    assert similarity.dtype == torch.float32 and (index == exact).float().mean() > 0.95
    lateral = torch.randn(2, 3, 24, 20, dtype=dtype)
    y = dispatch(lateral, values.to(dtype), index, similarity)
    assert y.dtype == dtype
    expected = lateral.float() + similarity[:, None] * values.to(dtype).float().flatten(2).gather(
        2, index.view(2, 1, -1).expand(-1, 3, -1)
    ).view(y.shape)
    torch.testing.assert_close(y.float(), expected, atol=0.02, rtol=0.02)
