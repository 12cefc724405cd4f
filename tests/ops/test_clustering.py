"""The fast clustering equals its transcription, and both equal loops over single positions."""

from __future__ import annotations

from typing import Callable

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

import fec_mm.ops.assign
import fec_mm.ops.clustering as fast
import fec_mm.ops.members
from fec_mm.ops import reference

from . import naive

Op = Callable[..., tuple[Tensor, Tensor]]
SETTINGS = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def weights(
    C: int, heads: int, D: int, alpha: float = 1.1, seed: int = 0, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    g = torch.Generator().manual_seed(seed)
    shapes = [(heads * D, C), (heads * D,), (heads * D, C), (heads * D,), (C, heads * D), (C,)]
    values = [torch.randn(s, generator=g, dtype=torch.float64) / (s[1] ** 0.5 if len(s) == 2 else 2) for s in shapes]
    values += [torch.tensor([alpha]), torch.tensor([0.2])]
    return [v.to(dtype).requires_grad_() for v in values]


def run(op: Op, x: Tensor, params: list[Tensor], **kwargs: object) -> tuple[Tensor, Tensor, list[Tensor | None]]:
    """Output, assignments, and gradients of a loss that no two outputs enter alike."""
    x = x.clone().requires_grad_()
    y, ids = op(x, *params, **kwargs)
    coefficients = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view(y.shape)
    return y, ids, list(torch.autograd.grad((y * coefficients).sum(), [x, *params], allow_unused=True))


def assert_same(a: tuple, b: tuple) -> None:
    torch.testing.assert_close(a[0], b[0], rtol=1e-9, atol=1e-10)
    assert torch.equal(a[1], b[1])
    for p, q in zip(a[2], b[2]):
        assert (p is None) == (q is None)
        if p is not None:
            torch.testing.assert_close(p, q, rtol=1e-7, atol=1e-8)


@pytest.fixture(params=['one-hot', 'indexed', 'indexed, all heads'])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, 'one_hot_is_faster', lambda heads, centers: request.param == 'one-hot')
    if request.param == 'indexed, all heads':  # as on a GPU
        monkeypatch.setattr(fec_mm.ops.members, 'heads_at_once', lambda heads, device: heads)


encode_cases = dict(
    B=st.integers(1, 3),
    H=st.integers(1, 17),
    W=st.integers(1, 17),
    C=st.integers(1, 9),
    heads=st.integers(1, 4),
    D=st.integers(2, 7),
    centers=st.integers(1, 5),
    regions=st.integers(1, 4),
    weighting=st.sampled_from(['count', 'similarity']),
    alpha=st.sampled_from([1.1, 0.3, -0.8]),
    seed=st.integers(0, 9),
)


@SETTINGS
@given(**encode_cases)
def test_encode_equals_reference(
    form: None,
    B: int,
    H: int,
    W: int,
    C: int,
    heads: int,
    D: int,
    centers: int,
    regions: int,
    weighting: str,
    alpha: float,
    seed: int,
) -> None:
    x = torch.randn(B, H, W, C, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    kwargs = dict(heads=heads, centers=centers, regions=regions, weighting=weighting)
    params = weights(C, heads, D, alpha, seed)
    assert_same(run(fast.encode, x, params, **kwargs), run(reference.encode, x, params, **kwargs))


@SETTINGS
@given(
    B=st.integers(1, 3),
    H=st.integers(1, 21),
    W=st.integers(1, 21),
    C=st.integers(1, 9),
    D=st.integers(2, 9),
    regions=st.integers(1, 4),
    tile=st.sampled_from([1, 50, 1 << 20]),
    learn=st.booleans(),
    seed=st.integers(0, 9),
)
def test_pool_equals_reference(
    monkeypatch: pytest.MonkeyPatch,
    B: int,
    H: int,
    W: int,
    C: int,
    D: int,
    regions: int,
    tile: int,
    learn: bool,
    seed: int,
) -> None:
    monkeypatch.setattr(fec_mm.ops.assign, 'tile_size', lambda device: tile)
    x = torch.randn(B, H, W, C, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    params = weights(C, 1, D, seed=seed)
    params = params[:4] + (params[6:] if learn else [])
    assert_same(run(fast.pool, x, params, regions=regions), run(reference.pool, x, params, regions=regions))


@pytest.mark.parametrize('op', [fast, reference], ids=['fast', 'reference'])
@pytest.mark.parametrize(('H', 'W', 'regions'), [(6, 5, 1), (7, 9, 2), (3, 10, 4), (1, 1, 1), (2, 3, 1)])
def test_odd_sizes_equal_loops(op: object, H: int, W: int, regions: int) -> None:
    """Padding: at the bottom and on the right, to multiples of the regions, without weight in centers, sums and
    counts."""
    x = torch.randn(2, H, W, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for weighting in ('count', 'similarity'):
        kwargs = dict(heads=2, centers=3, regions=regions, weighting=weighting)
        params = weights(4, 2, 3)
        assert_same(run(op.encode, x, params, **kwargs), run(naive.encode, x, params, **kwargs))
    params = weights(4, 1, 5)
    for some in (params[:4], params[:4] + params[6:]):
        assert_same(run(op.pool, x, some, regions=regions), run(naive.pool, x, some, regions=regions))


def test_many_centers_in_blocks() -> None:
    """Beyond 128 centers the argmax goes by blocks: their borders and the last, incomplete one."""
    x = torch.randn(1, 40, 34, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    params = weights(6, 1, 6)[:4]
    assert_same(run(fast.pool, x, params), run(reference.pool, x, params))


@pytest.mark.parametrize('alpha', [1.1, -0.8, 0.0])
def test_ties_go_to_the_first_center(form: None, alpha: float) -> None:
    """A constant map: every center is the same, and everything belongs to the first one of its region."""
    x = torch.full((1, 8, 8, 4), 0.5, dtype=torch.float64)
    kwargs = dict(heads=2, centers=2, regions=2)
    for op in (fast.encode, reference.encode):
        y, ids = op(x, *weights(4, 2, 3, alpha), **kwargs)
        assert torch.equal(ids[0, 0, ::4, ::4], torch.tensor([[0, 2], [8, 10]]))
        assert len(ids.unique()) == 4
        torch.testing.assert_close(y, y[:, :1, :1].expand_as(y))


def test_one_center_is_the_mean() -> None:
    """With one center, FEC's representative is the mean value and y = sigmoid(β + α·cos)·mean, in closed form."""
    x = torch.randn(1, 5, 6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    fw, fb, vw, vb, pw, pb, alpha, beta = params = weights(4, 1, 3)
    f, v = x @ fw.T + fb, x @ vw.T + vb
    cosine = torch.cosine_similarity(f, f.mean((1, 2), keepdim=True), -1)
    expected = (torch.sigmoid(beta + alpha * cosine)[..., None] * v.mean((1, 2), keepdim=True)) @ pw.T + pb
    torch.testing.assert_close(fast.encode(x, *params, heads=1, centers=1)[0], expected)


def test_float32_assigns_alike_beyond_rounding(form: None) -> None:
    """In float32 a position changes its center only where the two best scores are closer than rounding."""
    x = torch.randn(2, 30, 26, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    params = weights(16, 4, 8)
    kwargs = dict(heads=4, centers=4)
    center = naive_scores(x, params, 4, 4)
    best = center.topk(2, -1)[0]
    clear = (best[..., 0] - best[..., 1]).permute(0, 3, 1, 2) > 1e-5
    _, exact = reference.encode(x, *params, **kwargs)
    _, ids = fast.encode(x.float(), *[p.float() for p in params], **kwargs)
    assert clear.float().mean() > 0.99
    assert torch.equal(ids[clear], exact[clear])


def naive_scores(x: Tensor, params: list[Tensor], heads: int, m: int) -> Tensor:
    """Cosines of all centers, B×H×W×heads×M."""
    f = (x @ params[0].T + params[1]).unflatten(-1, (heads, -1))
    pooled = torch.nn.functional.adaptive_avg_pool2d(f.flatten(3).permute(0, 3, 1, 2), m).flatten(2)
    c = pooled.unflatten(1, (heads, -1))
    return torch.einsum(
        'bhwed,bedm->bhwem', torch.nn.functional.normalize(f, dim=-1), torch.nn.functional.normalize(c, dim=2)
    )


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('autocast', [True, False])
def test_half_precision_stays_close_and_finite(form: None, dtype: torch.dtype, autocast: bool) -> None:
    """A cluster of thousands of equal positions: its sum overflows float16, its mean must not."""
    x = torch.full((1, 64, 64, 8), 40.0) + torch.randn(1, 64, 64, 8, generator=torch.Generator().manual_seed(0))
    params = weights(8, 2, 4, dtype=torch.float32)
    pool_params = weights(8, 1, 8, dtype=torch.float32)[:4]
    with torch.no_grad():
        exact = reference.encode(x, *params, heads=2, centers=1)[0], reference.pool(x, *pool_params)[0]
        if autocast:
            with torch.autocast('cpu', dtype):
                half = fast.encode(x, *params, heads=2, centers=1)[0], fast.pool(x, *pool_params)[0]
        else:
            half = (
                fast.encode(x.to(dtype), *[p.to(dtype) for p in params], heads=2, centers=1)[0],
                fast.pool(x.to(dtype), *[p.to(dtype) for p in pool_params])[0],
            )
    for h, e in zip(half, exact):
        assert torch.isfinite(h).all()
        assert (h.float() - e).norm() / e.norm() < 0.05


@pytest.mark.parametrize('scaled', [True, False])
@pytest.mark.parametrize('weighting', ['count', 'similarity'])
def test_gradients_under_autocast_stay_close(form: None, weighting: str, scaled: bool) -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(2, 16, 16, 12, generator=g)
    params = weights(12, 2, 6, dtype=torch.float32)
    scale = torch.rand(12, generator=g).add_(0.5).requires_grad_() if scaled else None

    def gradients(half: bool) -> list[Tensor]:
        leaf = x.clone().requires_grad_()
        with torch.autocast('cpu', torch.bfloat16, enabled=half):
            y, _ = fast.encode(leaf, *params, heads=2, centers=1, weighting=weighting, scale=scale)
        leaves = [leaf, *params] + ([] if scale is None else [scale])
        return list(torch.autograd.grad(y.float().square().sum(), leaves))

    for got, expected in zip(gradients(True), gradients(False)):
        assert got.dtype == expected.dtype == torch.float32
        assert (got - expected).norm() < 0.05 * expected.norm() + 1e-3
