"""Clustering-based feature pooling with nine candidates for each position, whose cost is linear in the pixels.

Features f = W x + b are never built. Where a 1 is one more channel, f·f' = x A x' with A = [W b]ᵀ[W b]: cosines need no
more, and sums over clusters count them, too. Padding is zero in that channel as in all others, and enters nothing.

Shapes: B images, H×W positions, h×w cells of 2×2 positions (h = ceil(H/2), w = ceil(W/2)), C channels, the 1 included;
N = 4·h·w positions in the order of their cells, M = h·w centers.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .near import from_cells, nearest, to_cells
from .regions import to_regions
from .vectors import full
from .weighted import directions, norms_by, sums_of, weighted_sums

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
        centers whose features the last assignment compared with, B×h×w×C.
    """
    H, W = x.shape[1:3]
    with torch.autocast(x.device.type, enabled=False):
        x = to_regions(F.pad(full(x), (0, 1), value=1), 1, multiple=2)
        h, w = x.shape[1] // 2, x.shape[2] // 2
        cells = to_cells(x, (h, w))
        rows = cells.flatten(0, 3)
        means = cells.sum(3) / cells[..., -1:].sum(3).detach()
        projection = torch.cat([full(f_weight), full(f_bias)[:, None]], 1)
        product = projection.t() @ projection
        norms = norms_by(rows.detach(), product.detach()) if alpha is not None or compactness else None
        first = torch.arange(x.shape[0], device=x.device).view(-1, 1, 1, 1) * (h * w)
        centers = means
        for step in range(iterations):
            keys = directions(centers.detach(), product.detach())
            index, cosines = nearest(cells, keys, None if norms is None else norms.view(cells.shape[:4]), compactness)
            own = (index + first).flatten()
            if step + 1 < iterations:
                centers = KEPT * means + sums_of(rows, own, x.shape[0] * h * w).view(means.shape)
        if alpha is None or beta is None or norms is None:
            sums = sums_of(rows, own, x.shape[0] * h * w)
        else:
            by = directions(centers, product).flatten(0, 2), product, full(alpha), full(beta)
            sums = weighted_sums(rows, *by, own, cosines.flatten(), norms)
        rep = _divided(means + sums.view(means.shape))[..., :-1]
    ids = from_cells(index[..., None], (2 * h, 2 * w))[..., 0][:, None, :H, :W]
    return F.linear(rep.to(v_weight.dtype), v_weight, v_bias), ids, _divided(centers)[..., :-1]


def _divided(sums: Tensor) -> Tensor:
    """Means, of sums whose last channel is the count."""
    return sums / sums[..., -1:]
