"""EnFormer's deep ensemble clustering: a fuzzy and a partitional clustering, and their consensus.

Centers are means of the map, the projections are linear, and so is bilinear interpolation: what is averaged is averaged
first and projected then, and what is interpolated is projected first. `fec_mm.ops.reference_ensemble` has the same
function step by step.

Shapes: B images, H×W positions, C channels, e heads of D channels, n positions that are clustered (all, or a×a agents),
M centers, F and P of the two clusterings.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .clustering import full, normalize
from .resize import adaptive_means, bilinear

EPS = 1e-7  # of the sum of memberships that a fuzzy representative is divided by


class Similarity(NamedTuple):
    """Scale and shift of the cosine with each center, M each."""

    alpha: Tensor
    beta: Tensor


class Memberships(NamedTuple):
    """Who belongs to which center, B×e×n×M each, without gradient."""

    fuzzy: Tensor
    hard: Tensor
    consensus: Tensor  # M is F + P


def ensemble(
    x: Tensor,
    in_weight: Tensor,
    in_bias: Tensor,
    out_weight: Tensor,
    out_bias: Tensor,
    fuzzy: Similarity,
    hard: Similarity,
    consensus: Similarity,
    *,
    heads: int,
    agents: int = 0,
    noise: bool = False,
    watched: bool = False,
) -> tuple[Tensor, Memberships | None]:
    """Deep ensemble clustering.

    Args:
        x: B×H×W×C, any H and W.
        in_weight, in_bias: Projection to five maps, (5·e·D)×C and 5·e·D: positions, then keys and values of the fuzzy,
            then of the partitional clustering.
        out_weight, out_bias: Output projection, C'×(e·D) and C'.
        fuzzy, hard: Similarities of the two clusterings, of F and P centers, which are squares.
        consensus: That of all representatives, F + P.
        heads: e.
        agents: a, if positions are first averaged to a×a agents; 0: they are not.
        noise: Whether Gumbel noise, from torch's generator, takes part in the partitional choice, as in training.
        watched: Whether memberships are returned.

    Returns:
        The map, B×H×W×C', and the memberships.
    """
    B, H, W, _ = x.shape
    sides = [_side(fuzzy), _side(hard)]
    with torch.autocast(x.device.type, enabled=False):
        fuzzy_mean, hard_mean, *agent = adaptive_means(full(x), sides + [agents] * bool(agents))
        _, *parts = in_weight.chunk(5)
        _, *shifts = in_bias.chunk(5)
        centers = [
            F.linear(mean.flatten(1, 2), full(part), full(shift)).unflatten(2, (heads, -1)).transpose(1, 2)
            for mean, part, shift in zip((fuzzy_mean, fuzzy_mean, hard_mean, hard_mean), parts, shifts)
        ]
    maps = F.linear(agent[0].to(x.dtype) if agents else x, in_weight, in_bias).flatten(1, 2)
    with torch.autocast(x.device.type, enabled=False):
        # One copy, so that each map is one block for the products.
        p, k1, v1, k2, v2 = full(maps).unflatten(2, (5, heads, -1)).permute(2, 0, 3, 1, 4).contiguous()
        rep1, member1 = fuzzy_representatives(scores(centers[0], k1, fuzzy), v1, centers[1])
        rep2, member2 = hard_representatives(scores(centers[2], k2, hard), v2, centers[3], noise)
        rep = torch.cat([rep1, rep2], 2)
        member = scores(rep, p, consensus).softmax(-1)
        y = (member @ rep).transpose(1, 2).flatten(2)
    y = F.linear(y.to(maps.dtype), out_weight, out_bias)
    if agents:
        with torch.autocast(x.device.type, enabled=False):
            y = bilinear(full(y).unflatten(1, (agents, agents)), (H, W)).to(y.dtype)
    memberships = Memberships(member1.detach(), member2.detach(), member.detach()) if watched else None
    return y.view(B, H, W, -1), memberships


def scores(centers: Tensor, keys: Tensor, similarity: Similarity) -> Tensor:
    """α·cos + β: centers B×e×M×D, keys B×e×n×D → B×e×n×M, centers last, as the softmax wants them."""
    directions = normalize(centers) * full(similarity.alpha)[:, None]
    return normalize(keys) @ directions.transpose(2, 3) + full(similarity.beta)


def fuzzy_representatives(score: Tensor, values: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """Each position belongs to all centers, by a softmax.

    Args:
        score: B×e×n×M.
        values: B×e×n×D.
        centers: Those of the values, B×e×M×D.

    Returns:
        (v̄ + Σ A·v) / Σ A, B×e×M×D, and A, B×e×n×M.
    """
    member = score.softmax(-1)
    total = member.sum(2)[..., None] + EPS
    return (centers + member.transpose(2, 3) @ values) / total, member


def hard_representatives(score: Tensor, values: Tensor, centers: Tensor, noise: bool) -> tuple[Tensor, Tensor]:
    """Each position belongs to one center, with sigmoid(score) as its weight; the choice has the gradient of a softmax.

    Args:
        score, values, centers: As of `fuzzy_representatives`.
        noise: Whether Gumbel noise takes part in the choice.

    Returns:
        (v̄ + Σ A·v) / (1 + number of positions), B×e×M×D, and A, B×e×n×M.
    """
    noisy = score if not noise else score - torch.empty_like(score).exponential_().log()
    soft = noisy.softmax(-1)
    chosen = noisy.argmax(-1, keepdim=True) == torch.arange(score.shape[-1], device=score.device)
    mask = chosen + soft - soft.detach()
    member = score.sigmoid() * mask
    count = mask.sum(2)[..., None]
    return (centers + member.transpose(2, 3) @ values) / (1 + count), member


def _side(similarity: Similarity) -> int:
    return round(similarity.alpha.shape[0] ** 0.5)
