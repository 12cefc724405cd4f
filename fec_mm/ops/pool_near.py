"""Clustering-based feature pooling with nine candidates for each position, whose cost is linear in the pixels.

Shapes: B images, H×W positions, h×w cells of 2×2 positions (h = ceil(H/2), w = ceil(W/2)), C channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .clustering import full, normalize, similarity_of
from .members import Indexed
from .near import near_scores
from .regions import average_pairs, to_regions, valid_positions

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
        x = to_regions(full(x).contiguous(), 1, multiple=2)
        h, w = x.shape[1] // 2, x.shape[2] // 2
        valid = valid_positions((H, W), 1, (2 * h, 2 * w), x.device).expand(len(x), -1)
        means, _ = average_pairs(x, valid.view(-1, 2 * h, 2 * w))
        weight, rows = valid.to(x.dtype)[..., None], x.flatten(1, 2)
        f = F.linear(x, full(f_weight), full(f_bias))
        keys = normalize(F.linear(means, full(f_weight), full(f_bias)))
        for step in range(iterations):
            with torch.no_grad():
                scores, candidates = near_scores(f, keys.unflatten(1, (h, w)), compactness)
                index = candidates.expand(len(x), -1, -1, -1).gather(3, scores.argmax(-1, keepdim=True)).flatten(1, 2)
            members = Indexed(index, h * w)
            if step + 1 < iterations:
                sums, counts = members.sum(rows, weight)
                centers = (KEPT * means + sums[:, 0]) / (KEPT + counts[:, 0, :, None])
                keys = normalize(F.linear(centers, full(f_weight), full(f_bias)))
        if alpha is not None and beta is not None:
            f = f.flatten(1, 2)[:, :, None]
            weight = weight * similarity_of(members.dot(f, keys[:, None]), f, alpha, beta)
        sums, counts = members.sum(rows, weight)
        rep = (means + sums[:, 0]) / (1 + counts[:, 0, :, None])
    ids = index.unflatten(1, (2 * h, 2 * w))[:, :H, :W].permute(0, 3, 1, 2)
    rep = rep.unflatten(1, (h, w))
    return F.linear(rep.to(v_weight.dtype), v_weight, v_bias), ids, keys.unflatten(1, (h, w))
