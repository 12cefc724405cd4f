"""EnFormer's deep ensemble clustering: a fuzzy and a partitional clustering, and their consensus.

Centers are means of the map, the projections are linear, and so is bilinear interpolation: what is averaged is averaged
first and projected then, and what is interpolated is projected first. `fec_mm.ops.reference_ensemble` has the same
function step by step.

Shapes: B images, H×W positions, C channels, e heads of D channels, n positions that are clustered (all, or a×a agents),
M centers, F and P of the two clusterings.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .assign import tile_size
from .head_parts import head_parts
from .regions import ceil_div, is_exporting
from .resize import adaptive_means, bilinear
from .soft_sums import fuzzy_sums, gumbel_like, hard_sums
from .vectors import full, normalize

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
        width = len(in_weight) // 5
        parts = [width, 2 * width, 2 * width]  # positions, then keys and values of each clustering
        pairs = [
            F.linear(mean.flatten(1, 2), full(weight), full(bias)).unflatten(2, (2, heads, -1)).permute(2, 0, 3, 1, 4)
            for mean, weight, bias in zip((fuzzy_mean, hard_mean), in_weight.split(parts)[1:], in_bias.split(parts)[1:])
        ]
    maps = F.linear(agent[0].to(x.dtype) if agents else x, in_weight, in_bias).flatten(1, 2)
    with torch.autocast(x.device.type, enabled=False):
        p, k1, v1, k2, v2 = head_parts(full(maps), heads, (True, True, False, True, False))
        (c1, m1), (c2, m2) = pairs
        q1, q2 = _queries(c1, fuzzy), _queries(c2, hard)
        rep = torch.cat(
            [
                _fuzzy_representatives(k1, q1, v1, m1),
                _hard_representatives(k2, q2, v2, m2, noise),
            ],
            2,
        )
        q = _queries(rep, consensus)
        y = _weighted(p, q, rep).transpose(1, 2).flatten(2)
        memberships = _memberships([k1, k2, p], [q1, q2, q]) if watched else None
    y = F.linear(y.to(maps.dtype), out_weight, out_bias)
    if agents:
        with torch.autocast(x.device.type, enabled=False):
            y = bilinear(full(y).unflatten(1, (agents, agents)), (H, W)).to(y.dtype)
    return y.view(B, H, W, -1), memberships


def largest_membership(member: Tensor, size: tuple[int, int], agents: int) -> tuple[Tensor, Tensor]:
    """How large each position's largest membership is, and the center's number, B×e×H×W each.

    Args:
        member: B×e×n×M.
        size: H, W.
        agents: a; memberships of agents are interpolated, as the map is.
    """
    if agents:
        B, heads, _, M = member.shape
        maps = member.transpose(1, 2).reshape(B, agents, agents, heads * M)
        member = bilinear(maps, size).view(B, -1, heads, M).transpose(1, 2)
    largest, index = member.max(-1)
    return largest.unflatten(2, size), index.unflatten(2, size)


def _queries(centers: Tensor, similarity: Similarity) -> Tensor:
    """What keys with ones are multiplied by to give α·cos + β: B×e×M×D → B×e×M×(D + 1)."""
    alpha, beta = (full(t)[:, None] for t in similarity)
    directions = normalize(centers) * alpha
    return torch.cat([directions, beta.expand_as(directions[..., :1])], -1)


def _fuzzy_representatives(keys: Tensor, queries: Tensor, values: Tensor, centers: Tensor) -> Tensor:
    """(v̄ + Σ A·v) / Σ A, A being the softmax over the centers; keys and values end in ones, B×e×n×(D + 1)."""
    sums = fuzzy_sums(*(t.flatten(0, 1) for t in (keys, queries, values))).view_as(queries)
    return (centers + sums[..., :-1]) / (sums[..., -1:] + EPS)


def _hard_representatives(keys: Tensor, queries: Tensor, values: Tensor, centers: Tensor, noise: bool) -> Tensor:
    """(v̄ + Σ A·v) / (1 + number of positions), A being the sigmoid of the score with the own center; arguments as
    before, and whether Gumbel noise takes part in the choice."""
    k, q, v = (t.flatten(0, 1) for t in (keys, queries, values))
    sums = hard_sums(k, q, v, gumbel_like(k, q.shape[1]) if noise else None).view_as(queries)
    return (centers + sums[..., :-1]) / (1 + sums[..., -1:])


def _weighted(keys: Tensor, queries: Tensor, rep: Tensor) -> Tensor:
    """Each position's mean of the representatives, by a softmax over them: an attention, B×e×n×D."""
    if is_exporting() or _few(keys, queries):
        return (keys @ queries.transpose(2, 3)).softmax(-1) @ rep
    # As many channels for all three, in blocks of eight: what the fast kernels take.
    width = ceil_div(keys.shape[-1], 8) * 8
    k, q, v = (F.pad(t, (0, width - t.shape[-1])) for t in (keys, queries, rep))
    return F.scaled_dot_product_attention(k, q, v, scale=1.0)[..., : rep.shape[-1]]


def _few(keys: Tensor, queries: Tensor) -> bool:
    """Whether all scores fit in a tile; compiled graphs are for any size."""
    if torch.compiler.is_compiling():
        return False
    return keys.shape[:3].numel() * queries.shape[2] <= tile_size(keys.device)


def _memberships(keys: list[Tensor], queries: list[Tensor]) -> Memberships:
    """Of the fuzzy and the partitional clustering, which is without noise here, and of their consensus."""
    with torch.no_grad():
        scores = [k @ q.transpose(2, 3) for k, q in zip(keys, queries)]
        best = scores[1].argmax(-1, keepdim=True)
        hard = torch.zeros_like(scores[1]).scatter_(3, best, scores[1].sigmoid().gather(3, best))
        return Memberships(scores[0].softmax(-1), hard, scores[2].softmax(-1))


def _side(similarity: Similarity) -> int:
    return math.isqrt(int(similarity.alpha.shape[0]))
