"""The forward pass of `fec_mm.ops.few_centers`, and what is kept of it.

Shapes: G groups (images × regions) of N positions, C channels, e heads of D channels, M centers per head, C' channels
of the output. Rows of all heads' centers are in the order M×e: those of a head are a strided matrix.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .assign import largest_rows
from .regions import kept
from .vectors import full, length


class Weights(NamedTuple):
    """Of a layer: projections to features and values, (e·D)×C and e·D each; the output's, C'×(e·D) and C'; scale and
    shift of the cosine, one element each; and what multiplies the output, C', or None."""

    f_weight: Tensor
    f_bias: Tensor
    v_weight: Tensor
    v_bias: Tensor
    proj_weight: Tensor
    proj_bias: Tensor
    alpha: Tensor
    beta: Tensor
    scale: Tensor | None


class Groups(NamedTuple):
    """Positions and centers.

    Args:
        x: G×N×C, at least float32.
        means: The centers, G×M×C.
        excluded: What is added to scores, so that centers without positions are not chosen, G×M×1×1, or None: nothing.
        valid: 1 for positions and 0 for padding, G×1×N, or None: there is no padding.
    """

    x: Tensor
    means: Tensor
    excluded: Tensor | None
    valid: Tensor | None


class Chosen(NamedTuple):
    """Each position's center, and what led to it.

    Args:
        rows: Of the centers, G×e×N int64: center · e + head.
        dot: Products of features and keys, G×e×N.
        similarity: sigmoid(β + dot / norm), G×e×N.
        f, norm: Features, G×N×e×D, and their lengths, G×e×N.
        keys: Centers' features, divided by their lengths and times α, (G·M)×e×D.
        units, sizes: Keys without α, and the lengths, (G·M)×e×1.
        queries: Keys in the channels of the map, G×(M·e)×C.
    """

    rows: Tensor
    dot: Tensor
    similarity: Tensor
    f: Tensor
    norm: Tensor
    keys: Tensor
    units: Tensor
    sizes: Tensor
    queries: Tensor


class Sums(NamedTuple):
    """What the clusters hold.

    Args:
        member: 1 for a position's center and 0 for others, G×(M·e)×N.
        counts: 1 + Σ weight, (G·M)×e×1.
        rep: Representatives, (G·M)×e×C.
        values: Their values, e×(G·M)×D.
        table: Their values in the channels of the output, G×(M·e)×C'.
        proj_weight: The output's projection, times the scale, C'×(e·D).
    """

    member: Tensor
    counts: Tensor
    rep: Tensor
    values: Tensor
    table: Tensor
    proj_weight: Tensor


def choose(groups: Groups, layer: Weights, heads: int, low: torch.dtype) -> Chosen:
    """Each position's most similar center."""
    x, means, excluded, _ = groups
    (G, N, C), M = x.shape, means.shape[1]
    f_weight, f_bias = full(layer.f_weight), full(layer.f_bias)
    center = F.linear(means, f_weight, f_bias).view(G * M, heads, -1)
    sizes = length(center)
    units = center / sizes
    # α is in the keys: the best center has the largest α·cos, and is the first one where α is zero.
    keys = units * full(layer.alpha)
    # k·f_n = (W_fᵀ k)·x_n + k·b: the scores of all heads in one product.
    queries = rows_of(of_heads(keys), f_weight.unflatten(0, (heads, -1))).view(G, M * heads, C)
    offsets = rows_of(of_heads(keys), f_bias.view(heads, -1, 1)).view(G, M * heads, 1)
    score = torch.baddbmm(offsets, queries, x.transpose(1, 2))
    if excluded is not None:
        score.view(G, M, heads, N).add_(excluded)
    rows, dot = largest_rows(score, heads)
    f = full(F.linear(x.to(low), layer.f_weight.to(low), layer.f_bias.to(low))).view(G, N, heads, -1)
    norm = length(f)[..., 0].transpose(1, 2)
    similarity = torch.addcdiv(full(layer.beta), dot, norm).sigmoid_()
    return Chosen(rows, dot, similarity, f, norm, keys, units, sizes, queries)


def sum_up(
    groups: Groups, layer: Weights, chosen: Chosen, heads: int, by_similarity: bool
) -> tuple[Sums, Tensor, Tensor]:
    """Representatives and their values; the similarity at each position's center, G×(M·e)×N; the output's bias."""
    x, means, _, valid = groups
    (G, N, C), M = x.shape, means.shape[1]
    member = x.new_zeros(G, M * heads, N).scatter_(1, chosen.rows, 1.0)
    share = times(member, chosen.similarity)
    weight = weight_of(share if by_similarity else member, valid)
    ones = kept(_ones)(N, like=x)
    counts = torch.addmv(ones[:1], weight.view(-1, N), ones).view(G * M, heads, 1)
    rep = (weight @ x).view(G, M, heads, C).add_(means[:, :, None]).view(G * M, heads, C).div_(counts)
    v_weight = full(layer.v_weight).unflatten(0, (heads, -1)).transpose(1, 2)
    values = torch.baddbmm(full(layer.v_bias).view(heads, 1, -1), of_heads(rep), v_weight)
    weight, bias = full(layer.proj_weight), full(layer.proj_bias)
    if layer.scale is not None:
        weight, bias = weight * layer.scale[:, None], bias * layer.scale
    table = rows_of(values, weight.unflatten(1, (heads, -1)).permute(1, 2, 0)).view(G, M * heads, -1)
    return Sums(member, counts, rep, values, table, weight), share, bias


def weight_of(weight: Tensor, valid: Tensor | None) -> Tensor:
    """Zero for padding."""
    return weight if valid is None else weight * valid


def _ones(count: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.ones(count, dtype=dtype, device=device)


def of_heads(rows: Tensor) -> Tensor:
    """(G·M)×e×C → e×(G·M)×C, nothing copied."""
    return rows.transpose(0, 1)


def rows_of(a: Tensor, b: Tensor) -> Tensor:
    """The products of e matrices, R×K and K×C, as R×e×C."""
    out = a.new_empty(a.shape[1], len(a), b.shape[2])
    torch.bmm(a, b, out=out.transpose(0, 1))
    return out


def times(member: Tensor, factor: Tensor) -> Tensor:
    """Each position's entries times a number per head: G×(M·e)×N, G×e×N → G×(M·e)×N."""
    G, e, N = factor.shape
    return (member.view(G, -1, e, N) * factor[:, None]).view(member.shape)
