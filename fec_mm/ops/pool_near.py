"""Clustering-based feature pooling with nine candidates for each position, whose cost is linear in the pixels.

Shapes: B images, H×W positions, h×w cells of 2×2 positions (h = ceil(H/2), w = ceil(W/2)), C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .clustering import full, norm, normalize
from .members import Indexed
from .near import nearest
from .regions import average_pairs, is_exporting, surely, to_regions, valid_positions

# What the mean of a cell weighs in the center of the next assignment, where a position weighs 1. Less than in the
# representative, so that the center moves to what it gathered; more than nothing, so that one without positions stays.
KEPT = 1 / 4


def pool_near(
    x: Tensor,
    f_weight: Tensor,
    f_bias: Tensor,
    v_weight: Tensor,
    v_bias: Tensor,
    alpha: Tensor | None = None,
    beta: Tensor | None = None,
    *,
    compactness: float = 0.0,
    iterations: int = 1,
) -> tuple[Tensor, Tensor, Tensor]:
    """Clustering-based feature pooling among neighbours: like `pool`, but a position joins the center of its own 2×2
    cell or of one of the eight cells around it, by cos − compactness · d² (see `near_scores`). At a tie its own cell
    wins, then the first in raster order.

    Args:
        x: B×H×W×C, any H and W. Odd sides are completed by padding, which has no weight.
        f_weight, f_bias, v_weight, v_bias: Projections to features and values, C'×C and C'.
        alpha, beta: If given, positions count in their representative by sigmoid(β + α·cos), as in `pool`.
        compactness: What one squared cell of distance costs, beside cosines. Default: 0.
        iterations: How often positions are assigned. After the first time, to the features of (x̄_m/4 + Σ x_n) /
            (1/4 + count) over the clusters so far, as in SLIC. Default: 1.

    Returns:
        The representatives as a map, B×h×w×C'; the assignments, B×1×H×W int64, as raster positions in it; and the
        centers' features that the last assignment compared with, B×h×w×C', of length 1.
    """
    H, W = x.shape[1:3]
    with torch.autocast(x.device.type, enabled=False):
        f_weight, f_bias = full(f_weight), full(f_bias)
        x = to_regions(full(x).contiguous(), 1, multiple=2)
        h, w = x.shape[1] // 2, x.shape[2] // 2
        valid = valid_positions((H, W), 1, (2 * h, 2 * w), x.device).expand(len(x), -1)
        means, _ = average_pairs(x, valid.view(-1, 2 * h, 2 * w))
        even = surely(H % 2 == 0) and surely(W % 2 == 0)
        weight = None if even else valid.to(x.dtype)[..., None]
        norms = None if alpha is None and not compactness else _recomputed(_norms, x, f_weight, f_bias)
        centers, rows = means, x.flatten(1, 2)
        for step in range(iterations):
            keys = normalize(F.linear(centers, f_weight, f_bias)).unflatten(1, (h, w))
            # c·f_n = (W_fᵀ c)·x_n + c·b: fewer channels, and f need not be kept.
            queries, offsets = keys @ f_weight, keys @ f_bias
            index = nearest(x, queries, offsets, norms, compactness)
            members = Indexed(index.flatten(1)[..., None], h * w)
            if step + 1 < iterations:
                sums, counts = members.sum(rows, weight)
                centers = (KEPT * means + sums[:, 0]) / (KEPT + counts[:, 0, :, None])
        if alpha is not None and beta is not None and norms is not None:
            dot = _recomputed(_own_dot, members, rows, queries, offsets)
            similarity = torch.sigmoid(full(beta) + full(alpha) * (dot / norms.flatten(1)))[..., None]
            weight = similarity if weight is None else weight * similarity
        sums, counts = members.sum(rows, weight)
        rep = (means + sums[:, 0]) / (1 + counts[:, 0, :, None])
    rep = rep.unflatten(1, (h, w))
    return F.linear(rep.to(v_weight.dtype), v_weight, v_bias), index[:, None, :H, :W], keys


def _norms(x: Tensor, f_weight: Tensor, f_bias: Tensor) -> Tensor:
    return norm(F.linear(x, f_weight, f_bias))[..., 0]


def _own_dot(members: Indexed, rows: Tensor, queries: Tensor, offsets: Tensor) -> Tensor:
    """Of each position's features with its own center's: B×N×C, B×h×w×C, B×h×w → B×N."""
    dot = members.dot(rows[:, :, None], queries.flatten(1, 2)[:, None])
    return (dot + members.own(offsets.flatten(1)[:, None, :, None])[..., 0])[..., 0]


def _recomputed(run: Callable[..., Tensor], *inputs: Any) -> Tensor:
    """run(*inputs), in whose backward pass large maps are computed again rather than kept."""
    if not torch.is_grad_enabled() or torch.compiler.is_compiling() or is_exporting():
        return run(*inputs)
    result: Tensor = checkpoint(run, *inputs, use_reentrant=False, preserve_rng_state=False)
    return result
