"""EnFormer's deep ensemble clustering transcribed step by step: the yardstick of `fec_mm.ops.ensemble`.

Everything is projected at full resolution, and scores, memberships and masks of M×n are kept. It is here for tests and
benchmarks.

Shapes: as in `fec_mm.ops.ensemble`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .ensemble import EPS, Memberships, Similarity


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
    """Deep ensemble clustering; see `fec_mm.ops.ensemble`."""
    B, H, W, _ = x.shape
    maps = F.linear(x, in_weight, in_bias).permute(0, 3, 1, 2)
    p, k1, v1, k2, v2 = (t.reshape(B * heads, -1, H, W) for t in maps.chunk(5, 1))
    centers = [(_pooled(k1, fuzzy), _pooled(v1, fuzzy)), (_pooled(k2, hard), _pooled(v2, hard))]
    if agents:
        p, k1, v1, k2, v2 = (F.adaptive_avg_pool2d(t, agents) for t in (p, k1, v1, k2, v2))
    size = p.shape[2:]
    p, k1, v1, k2, v2 = (t.flatten(2).transpose(1, 2) for t in (p, k1, v1, k2, v2))
    member1 = _score(centers[0][0], k1, fuzzy).softmax(1)
    rep1 = (centers[0][1] + member1 @ v1) / (member1.sum(2, keepdim=True) + EPS)
    score = _score(centers[1][0], k2, hard)
    mask = _choice(score, noise)
    member2 = torch.sigmoid(score) * mask
    rep2 = (centers[1][1] + member2 @ v2) / (1 + mask.sum(2, keepdim=True))
    rep = torch.cat([rep1, rep2], 1)
    member = _score(rep, p, consensus).softmax(1)
    y = (member.transpose(1, 2) @ rep).transpose(1, 2).reshape(B, -1, *size)
    if agents:
        y = F.interpolate(y, (H, W), mode='bilinear', align_corners=False)
    y = F.linear(y.permute(0, 2, 3, 1), out_weight, out_bias)
    if not watched:
        return y, None
    return y, Memberships(*(t.detach().unflatten(0, (B, heads)).transpose(2, 3) for t in (member1, member2, member)))


def _pooled(x: Tensor, similarity: Similarity) -> Tensor:
    """(B·e)×D×H×W → (B·e)×M×D."""
    return F.adaptive_avg_pool2d(x, round(len(similarity.alpha) ** 0.5)).flatten(2).transpose(1, 2)


def _score(centers: Tensor, keys: Tensor, similarity: Similarity) -> Tensor:
    """(B·e)×M×D, (B·e)×n×D → (B·e)×M×n."""
    cosine = F.normalize(centers, dim=-1) @ F.normalize(keys, dim=-1).transpose(1, 2)
    return similarity.alpha[:, None] * cosine + similarity.beta[:, None]


def _choice(score: Tensor, noise: bool) -> Tensor:
    """One for each position's center and zero elsewhere, with the gradient of a softmax."""
    if noise:
        return F.gumbel_softmax(score, dim=1, hard=True)
    soft = score.softmax(1)
    return torch.zeros_like(score).scatter_(1, score.argmax(1, keepdim=True), 1) - soft.detach() + soft
