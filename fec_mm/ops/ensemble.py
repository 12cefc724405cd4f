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

from .consensus import EPS, choice
from .consensus import consensus as by_consensus
from .regions import is_exporting
from .resize import bilinear, with_means
from .vectors import full, normalize


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
    similarities = tuple(full(vector) for pair in (fuzzy, hard, consensus) for vector in pair)
    sides = [agents] * bool(agents) + [math.isqrt(len(pair.alpha)) for pair in (fuzzy, hard)]
    with torch.autocast(x.device.type, enabled=False):
        rows = with_means(full(x), sides, not agents).to(x.dtype)
    maps = F.linear(rows, in_weight, in_bias)
    memberships = None
    with torch.autocast(x.device.type, enabled=False):
        maps, n = full(maps), agents**2 or H * W
        exponential = log_exponential(maps, (B * heads, n, len(hard.alpha))) if noise else None
        plain = torch.compiler.is_compiling() or is_exporting()
        if plain or watched:
            y, memberships = clusterings(maps, similarities, heads, n, exponential, watched)
        if not plain:
            y = by_consensus(maps, similarities, heads, exponential)
    y = F.linear(y.to(rows.dtype), out_weight, out_bias)
    if agents:
        with torch.autocast(x.device.type, enabled=False):
            y = bilinear(full(y).unflatten(1, (agents, agents)), (H, W)).to(y.dtype)
    return y.view(B, H, W, -1), memberships


def log_exponential(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The logarithm of exponential numbers from torch's generator: minus Gumbel noise."""
    return like.new_empty(shape).exponential_().log_()


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


def clusterings(
    maps: Tensor, similarities: tuple[Tensor, ...], heads: int, n: int, noise: Tensor | None, watched: bool
) -> tuple[Tensor, Memberships | None]:
    """`fec_mm.ops.consensus.consensus` in plain operators, for compiled and exported graphs, and the memberships of the
    n positions."""
    alpha1, beta1, alpha2, beta2, alpha, beta = similarities
    parts = maps.unflatten(2, (5, heads, -1)).permute(2, 0, 3, 1, 4).flatten(1, 2)
    p, k1, v1, k2, v2 = parts[:, :, :n].unbind()
    first, second = parts[:, :, n:].split([len(alpha1), len(alpha2)], 2)
    score1 = _score(k1, first[1], alpha1, beta1)
    member1 = score1.softmax(-1)
    rep1 = (first[2] + member1.transpose(1, 2) @ v1) / (member1.sum(1)[..., None] + EPS)
    score2 = _score(k2, second[3], alpha2, beta2)
    noisy = score2 if noise is None else score2 - noise
    soft = noisy.softmax(-1)
    mask = _one_hot(choice(noisy), score2) + soft - soft.detach()
    rep2 = (second[4] + (score2.sigmoid() * mask).transpose(1, 2) @ v2) / (1 + mask.sum(1)[..., None])
    rep = torch.cat([rep1, rep2], 1)
    member = _score(p, rep, alpha, beta).softmax(-1)
    y = (member @ rep).unflatten(0, (-1, heads)).transpose(1, 2).flatten(2)
    if not watched:
        return y, None
    hard = score2.sigmoid() * _one_hot(choice(score2), score2)  # without noise
    found = (t.detach().unflatten(0, (-1, heads)) for t in (member1, hard, member))
    return y, Memberships(*found)


def _score(keys: Tensor, centers: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """α·cos + β: G×n×D, G×M×D → G×n×M."""
    return normalize(keys) @ (normalize(centers) * alpha[:, None]).transpose(1, 2) + beta


def _one_hot(index: Tensor, like: Tensor) -> Tensor:
    """G×n×1, G×n×M → G×n×M."""
    return (index == torch.arange(like.shape[-1], device=index.device)).to(like.dtype)
