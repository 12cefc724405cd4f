"""Soft assignments to nine candidates: sums over soft clusters, and the way back.

Shapes: B images, H×W positions, h×w clusters (h = ceil(H/2), w = ceil(W/2)), K channels; shares are B×H×W×9, in the
order of `near.ORDER`, and sum to one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .near import ORDER, around, from_cells, to_cells
from .regions import ceil_div
from .vectors import full

EPS = 1e-6  # a soft cluster with less than so many positions has no mean


def soft_sums(shares: Tensor, values: Tensor) -> Tensor:
    """Σ share · value over the positions of each cluster: B×H×W×9, B×H×W×K → B×h×w×K."""
    parts = _cells(shares).transpose(-1, -2) @ _cells(values)  # B×h×w×9×K: what each cell gives to its candidates
    h, w = parts.shape[1:3]
    sums = parts.new_zeros(len(parts), h + 2, w + 2, parts.shape[-1])
    for n, (i, j) in enumerate(ORDER):
        sums = sums + F.pad(parts[:, :, :, n], (0, 0, 1 + j, 1 - j, 1 + i, 1 - i))
    return sums[:, 1:-1, 1:-1]


def soft_values(shares: Tensor, values: Tensor) -> Tensor:
    """Σ share · value over the candidates of each position: B×H×W×9, B×h×w×K → B×H×W×K."""
    (H, W), (h, w) = shares.shape[1:3], values.shape[1:3]
    parts = _cells(shares) @ around(F.pad(values, (0, 0, 1, 1, 1, 1)))
    return from_cells(parts, (2 * h, 2 * w))[:, :H, :W]


def _cells(x: Tensor) -> Tensor:
    """The four positions of each cell, B×H×W×K → B×h×w×4×K, odd sides completed by zeros."""
    h, w = ceil_div(x.shape[1], 2), ceil_div(x.shape[2], 2)
    return to_cells(F.pad(x, (0, 0, 0, 2 * w - x.shape[2], 0, 2 * h - x.shape[1])), (h, w))


def reconstruct(scores: Sequence[Tensor], values: Tensor, weight: Tensor, temperature: float) -> list[Tensor]:
    """Each position's value, from the means of the soft clusters that it belongs to, at every level.

    Successive levels cluster each other's clusters. A level's means are those of the finest positions, which get them
    back along the same shares.

    Args:
        scores: Of each level, B×H×W×9, as of `near_scores`: the first level's of H×W positions, the next one's of h×w,
            and so on.
        values: B×H×W×K.
        weight: How much each position counts, B×H×W×1.
        temperature: Shares are softmax(score / temperature).

    Returns:
        B×H×W×K for each level, at least float32.
    """
    with torch.autocast(values.device.type, enabled=False):
        scores = [full(level) for level in scores]
        dtype = torch.promote_types(full(values).dtype, scores[0].dtype)
        values, weight = values.to(dtype), weight.to(dtype)
        totals = torch.cat([values * weight, weight], -1)
        shares: list[Tensor] = []
        levels = []
        for level in scores:
            shares.append((level.to(dtype) / temperature).softmax(-1))
            totals = soft_sums(shares[-1], totals)
            means = totals[..., :-1] / totals[..., -1:].clamp(min=EPS)
            for share in reversed(shares):
                means = soft_values(share, means)
            levels.append(means)
    return levels
