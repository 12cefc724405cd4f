"""Pooling and searching among nine candidates equal transcriptions, loops over single positions, and closed forms."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

import fec_mm.ops.near
import fec_mm.ops.weighted
from fec_mm.ops import near_scores, pool_near, reference
from fec_mm.ops.near import from_cells, nearest, to_cells

from . import naive
from .test_clustering import Op, assert_same, weights

SETTINGS = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def run(op: Op, x: Tensor, params: list[Tensor], **kwargs: object) -> tuple[Tensor, Tensor, list[Tensor | None]]:
    """Output and centers, assignments, and gradients of a loss that no two outputs enter alike."""
    x = x.clone().requires_grad_()
    y, ids, centers = op(x, *params, **kwargs)
    both = torch.cat([y.flatten(), centers.flatten()])
    loss = (both * torch.linspace(-1, 2, both.numel(), dtype=x.dtype)).sum()
    return both, ids, list(torch.autograd.grad(loss, [x, *params], allow_unused=True, materialize_grads=True))


def some(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pooling(C: int, D: int, learn: bool, seed: int = 0) -> list[Tensor]:
    params = weights(C, 1, D, seed=seed)
    return params[:4] + (params[6:] if learn else [])


cases = dict(
    B=st.integers(1, 3),
    H=st.integers(1, 13),
    W=st.integers(1, 13),
    C=st.integers(1, 6),
    D=st.integers(2, 6),
    learn=st.booleans(),
    compactness=st.sampled_from([0.0, 0.1, 3.0]),
    iterations=st.integers(1, 3),
    seed=st.integers(0, 9),
)


@pytest.mark.parametrize('form', ['eager', 'compiled or exported'])
@SETTINGS
@given(tile=st.sampled_from([1, 500, 1 << 20]), **cases)
def test_pool_equals_reference(
    monkeypatch: pytest.MonkeyPatch,
    form: str,
    tile: int,
    B: int,
    H: int,
    W: int,
    C: int,
    D: int,
    learn: bool,
    compactness: float,
    iterations: int,
    seed: int,
) -> None:
    """Any size, in any tiles; by hand-written gradients, and by those of plain operators."""
    monkeypatch.setattr(fec_mm.ops.near, 'tile_size', lambda device: tile)
    for module in (fec_mm.ops.near, fec_mm.ops.weighted):
        monkeypatch.setattr(module, 'is_exporting', lambda: form != 'eager')
    x, params = some(B, H, W, C, seed=seed), pooling(C, D, learn, seed)
    kwargs = dict(compactness=compactness, iterations=iterations)
    assert_same(run(pool_near, x, params, **kwargs), run(reference.pool_near, x, params, **kwargs))


@pytest.mark.parametrize('op', [pool_near, reference.pool_near], ids=['fast', 'reference'])
@pytest.mark.parametrize(('H', 'W'), [(6, 4), (5, 7), (1, 1), (2, 3), (8, 1)])
def test_pool_equals_loops(op: Op, H: int, W: int) -> None:
    """Odd sides: the last cells have two positions, or one."""
    x = some(2, H, W, 4)
    for learn in (False, True):
        for kwargs in (dict(), dict(compactness=0.2), dict(compactness=0.05, iterations=2)):
            params = pooling(4, 5, learn)
            assert_same(run(op, x, params, **kwargs), run(naive.pool_near, x, params, **kwargs))


@SETTINGS
@given(**{key: cases[key] for key in ('B', 'H', 'W', 'C', 'D', 'compactness', 'seed')})
def test_scores_are_what_the_pooling_chooses_by(
    B: int, H: int, W: int, C: int, D: int, compactness: float, seed: int
) -> None:
    x, params = some(B, H, W, C, seed=seed), pooling(C, D, False, seed)
    _, ids, centers = pool_near(x, *params, compactness=compactness, iterations=2)
    f, keys = (t @ params[0].T + params[1] for t in (x, centers))
    scores, candidates = near_scores(f, keys, compactness)
    assert torch.equal(candidates.expand(B, -1, -1, -1).gather(3, scores.argmax(-1, keepdim=True))[..., 0], ids[:, 0])
    h, w = (H + 1) // 2, (W + 1) // 2
    home = torch.arange(H)[:, None] // 2 * w + torch.arange(W) // 2
    assert torch.equal(candidates[..., 0], home)
    for i, j in ((0, 0), (H - 1, W - 1), (H // 2, W // 3)):
        inside = scores[0, i, j] > -float('inf')
        near = [r * w + c for r in range(h) for c in range(w) if abs(r - i // 2) <= 1 and abs(c - j // 2) <= 1]
        assert sorted(candidates[i, j][inside].tolist()) == near and (candidates[i, j][~inside] == home[i, j]).all()
        for place, score in zip(candidates[i, j][inside], scores[0, i, j][inside]):
            r, c = divmod(place.item(), w)
            far = ((i - 2 * r - 0.5) / 2) ** 2 + ((j - 2 * c - 0.5) / 2) ** 2
            cosine = torch.cosine_similarity(f[0, i, j], keys[0, r, c], 0, eps=1e-12)
            torch.testing.assert_close(score, cosine - compactness * far)


def test_scores_have_gradients() -> None:
    f, keys = some(1, 5, 4, 3).requires_grad_(), some(1, 3, 2, 3, seed=1).requires_grad_()

    def assignments(f: Tensor, keys: Tensor) -> Tensor:
        return (near_scores(f, keys, 0.1)[0] / 0.3).softmax(-1)

    assert torch.autograd.gradcheck(assignments, (f, keys))


@pytest.mark.parametrize(('H', 'W'), [(8, 12), (7, 5)])
def test_compact_enough_they_are_the_cells(H: int, W: int) -> None:
    """The square grid; and a representative is then (x̄ + Σ x)/(1 + count), the mean of the cell."""
    x, params = some(2, H, W, 4), pooling(4, 5, False)
    y, ids, _ = pool_near(x, *params, compactness=100.0, iterations=3)
    w = (W + 1) // 2
    assert torch.equal(ids[0, 0], torch.arange(H)[:, None] // 2 * w + torch.arange(W) // 2)
    mean = torch.stack([x[0, 2:4, 2:4].mean((0, 1)), x[0, -2 + H % 2 :, -2 + W % 2 :].mean((0, 1))])
    torch.testing.assert_close(y[0, [1, -1], [1, -1]], mean @ params[2].T + params[3])


@pytest.mark.parametrize('compactness', [0.0, 0.1])
def test_ties_stay_at_home(compactness: float) -> None:
    """Of a constant map, and of one that is zero and has no direction at all."""
    for value in (0.0, 0.5):
        x = torch.full((2, 9, 11, 5), value)
        params = [p.detach().float() for p in pooling(5, 7, True)]
        params[1] = torch.zeros(7)
        # Assigned again, equal cosines differ by rounding, as clusters of the border are of fewer positions.
        y, ids, _ = pool_near(x, *params, compactness=compactness, iterations=2 if compactness else 1)
        assert torch.equal(ids[1, 0], torch.arange(9)[:, None] // 2 * 6 + torch.arange(11) // 2)
        torch.testing.assert_close(y, y[:1, :1, :1].expand_as(y))


def test_zero_maps_have_no_wild_gradients() -> None:
    x, params = torch.zeros(1, 4, 5, 3, dtype=torch.float64), pooling(3, 4, True)
    params[1] = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    for grad in run(pool_near, x, params, compactness=0.1, iterations=2)[2]:
        assert grad is not None and grad.abs().max() < 100


def test_a_center_moves_to_what_it_gathered() -> None:
    """A bright patch that lies askew to the cells: its positions end in one cluster when assigned again."""
    x = torch.tensor([1.0, 0.05]).expand(1, 12, 12, 2).clone()
    x[0, 3:6, 3:6] = torch.tensor([0.2, 1.0])
    eye, zero = torch.eye(2), torch.zeros(2)
    patches = [pool_near(x, eye, zero, eye, zero, iterations=n)[1][0, 0, 3:6, 3:6].unique().numel() for n in (1, 2, 3)]
    outside = pool_near(x, eye, zero, eye, zero, iterations=3)[1][0, 0]
    assert patches[-1] <= patches[0] and not set(outside[3:6, 3:6].unique().tolist()) & set(
        outside[7:].unique().tolist()
    )


@SETTINGS
@given(H=st.integers(1, 9), W=st.integers(1, 9), h=st.integers(1, 5), w=st.integers(1, 5))
def test_cells_and_back(H: int, W: int, h: int, w: int) -> None:
    """Also where there are more cells than positions. The cells are those of nearest-neighbour interpolation."""
    x = some(2, H, W, 3)
    cells = to_cells(x, (h, w))
    assert torch.equal(from_cells(cells, (H, W)), x)
    number = torch.arange(h * w).view(1, h, w, 1, 1).expand(1, h, w, cells.shape[3], 1)
    home = torch.nn.functional.interpolate(torch.arange(h * w).view(1, 1, h, w).double(), size=(H, W))
    assert torch.equal(from_cells(number, (H, W))[0, ..., 0], home[0, 0].long())


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('autocast', [True, False])
def test_half_precision_stays_close_and_finite(dtype: torch.dtype, autocast: bool) -> None:
    x = 40 + some(1, 24, 20, 8).float()
    params = [p.detach().float() for p in pooling(8, 8, True)]
    exact = pool_near(x, *params, compactness=0.03, iterations=2)[0]
    with torch.autocast('cpu', dtype, enabled=autocast):
        if not autocast:
            x, params = x.to(dtype), [p.to(dtype) for p in params]
        half, _, _ = pool_near(x, *params, compactness=0.03, iterations=2)
    assert half.dtype == dtype and torch.isfinite(half).all()
    assert (half.float() - exact).norm() / exact.norm() < 0.05


def test_float32_assigns_alike_beyond_rounding() -> None:
    x, params = some(1, 30, 26, 16), pooling(16, 24, True)
    _, exact, centers = pool_near(x, *params, compactness=0.03)
    best = near_scores(x @ params[0].T + params[1], centers @ params[0].T + params[1], 0.03)[0].topk(2, -1)[0]
    clear = (best[..., 0] - best[..., 1])[:, None] > 1e-5
    _, ids, _ = pool_near(x.float(), *[p.float() for p in params], compactness=0.03)
    assert clear.float().mean() > 0.99 and torch.equal(ids[clear], exact[clear])


def test_nothing_of_numbers_that_are_none_leaves_the_map() -> None:
    """A diverged training ends where its loss is looked at, and not in an index out of range."""
    x, params = some(1, 6, 6, 3), pooling(3, 4, True)
    x[0, 0, 0] = float('nan')
    index = nearest(to_cells(x, (3, 3)), some(1, 3, 3, 3))[0]
    assert index.min() >= 0 and index.max() < 9
    assert pool_near(x, *params, compactness=0.1, iterations=2)[1].max() < 9
