"""The backward pass of `fec_mm.ops.few_centers`: gradients are named `of_` what they are of.

Shapes: G groups (images × regions) of N positions, C channels, e heads of D channels, M centers per head, C' channels
of the output. Rows of all heads' centers are in the order M×e: those of a head are a strided matrix.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .few_forward import Chosen, Groups, Sums, Weights, of_heads, rows_of, times, weight_of
from .linear import of_unscaled
from .vectors import full, row_products


def back_to_representatives(
    gradient: Tensor, share: Tensor, layer: Weights, chosen: Chosen, sums: Sums, heads: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None]:
    """Through y = shareᵀ·table + b·scale, table = values·W_projᵀ·scale, and values = rep·W_vᵀ + b_v of each head.

    Returns:
        Gradients of the similarities, G×e×N, and of the representatives, e×(G·M)×C; those of the projection to values
        and its bias, and of the output's projection, its bias and scale.
    """
    of_table = full(share @ gradient).view(-1, heads, gradient.shape[2]).transpose(0, 1)
    of_share = (sums.table.to(gradient.dtype) @ gradient.transpose(1, 2)).gather(1, chosen.rows)
    of_bias, of_scale = gradient.sum((0, 1), dtype=of_table.dtype), None
    of_proj = rows_of(of_table.transpose(1, 2), sums.values).flatten(1)
    if layer.scale is not None:
        of_proj, of_bias, of_scale = of_unscaled(of_proj, of_bias, layer.proj_weight, layer.proj_bias, layer.scale)
    of_values = of_table @ sums.proj_weight.unflatten(1, (heads, -1)).transpose(0, 1)
    of_v = (of_values.transpose(1, 2) @ of_heads(sums.rep)).flatten(0, 1)
    of_rep = of_values @ layer.v_weight.unflatten(0, (heads, -1))
    return full(of_share), of_rep, of_v, of_values.sum(1).flatten(), of_proj, of_bias, of_scale


def back_to_sums(
    of_rep: Tensor, share: Tensor, groups: Groups, chosen: Chosen, sums: Sums, by_similarity: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Through rep = (mean + Σ weight·x) / (1 + Σ weight).

    Returns:
        Gradients of the positions, of the centers, and of the similarities, G×e×N, if positions count by these.
    """
    x, means, _, valid = groups
    heads = len(of_rep)
    of_sums = torch.div(of_rep.transpose(0, 1), sums.counts, out=torch.empty_like(sums.rep))
    of_means = of_sums.view(*means.shape[:2], heads, -1).sum(2)
    rows = of_sums.view(len(x), -1, x.shape[2])
    of_x = weight_of(share if by_similarity else sums.member, valid).transpose(1, 2) @ rows
    if not by_similarity:
        return of_x, of_means, None
    of_counts = -(of_sums * sums.rep).sum(2).view(len(x), -1, 1)
    of_weight = torch.baddbmm(of_counts, rows, x.transpose(1, 2)).gather(1, chosen.rows)
    return of_x, of_means, weight_of(of_weight, valid)


def back_to_features(
    of_similarity: Tensor,
    of_x: Tensor,
    of_means: Tensor,
    groups: Groups,
    layer: Weights,
    chosen: Chosen,
    sums: Sums,
    low: torch.dtype,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Through the similarity and the projection to features, down to what is added to `of_x` and `of_means`.

    Returns:
        Gradients of that projection, its bias, α and β.
    """
    (G, N, C), heads = groups.x.shape, chosen.keys.shape[1]
    f_weight = layer.f_weight.unflatten(0, (heads, -1))
    # similarity = sigmoid(β + dot / norm)
    of_logit = torch.ops.aten.sigmoid_backward(of_similarity, chosen.similarity)
    of_dot = of_logit / chosen.norm
    shrink = (of_dot / chosen.norm).mul_(chosen.dot).div_(chosen.norm)
    # dot = queries·x + offsets at the own rows; queries = keys·W_f and offsets = keys·b_f of each head
    of_score = times(sums.member, of_dot)
    of_x.baddbmm_(of_score.transpose(1, 2), chosen.queries)
    of_queries = of_heads((of_score @ groups.x).view(-1, heads, C))
    of_offsets = of_heads(of_score.sum(2).view(-1, heads, 1))
    of_keys = rows_of(of_queries, f_weight.transpose(1, 2))
    of_heads(of_keys).baddbmm_(of_offsets, layer.f_bias.view(heads, 1, -1))
    of_f = (of_heads(chosen.keys).transpose(1, 2) @ of_queries).flatten(0, 1)
    of_bias = (of_heads(chosen.keys).transpose(1, 2) @ of_offsets).flatten()
    # keys = α · center / |center|
    along = row_products(of_keys.flatten(0, 1), chosen.units.flatten(0, 1)).view(-1, heads, 1)
    of_center = torch.addcmul(of_keys, chosen.units, along, value=-1).mul_(layer.alpha / chosen.sizes).flatten(1)
    # center = W_f·mean + b_f, f = W_f·x + b_f, norm = |f|
    of_means.view(-1, C).addmm_(of_center, layer.f_weight)
    of_f.addmm_(of_center.t(), groups.means.view(-1, C))
    of_bias += of_center.sum(0)
    features = (chosen.f * shrink.transpose(1, 2)[..., None]).view(G * N, -1).to(low)
    _subtract(of_x.view(-1, C), features, layer.f_weight.to(low))
    _subtract(of_f, features.t(), groups.x.view(-1, C).to(low))
    _subtract(of_bias[:, None], features.t(), features.new_ones(G * N, 1))
    return of_f, of_bias, along.sum().view(1), of_logit.sum().view(1)


def _subtract(out: Tensor, a: Tensor, b: Tensor) -> None:
    """out − a·b, in place; the product may be of another precision."""
    if a.dtype == out.dtype:
        out.addmm_(a, b, alpha=-1)
    else:
        out.sub_(a @ b)
