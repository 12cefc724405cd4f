"""Clustering-based feature encoding where centers are few: in few operators, and with its gradients written out.

It gives what the plain form in `fec_mm.ops.clustering` gives. A GPU that runs one operator after the other is bound by
their launches, and automatic differentiation launches and keeps more than is needed.

Shapes: G groups (images × regions) of N positions, C channels, e heads of D channels, M centers per head, C' channels
of the output. Rows of all heads' centers are in the order M×e: those of a head are a strided matrix.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .few_backward import back_to_features, back_to_representatives, back_to_sums
from .few_forward import Chosen, Groups, Sums, Weights, choose, sum_up, times
from .linear import product_dtype
from .vectors import full


def encode_few(groups: Groups, weights: Weights, heads: int, by_similarity: bool) -> tuple[Tensor, Tensor]:
    """The encoded positions, G×N×C', and the rows of their centers, G×e×N int64: center · e + head.

    Args:
        groups: Positions and centers.
        weights: Of the layer.
        heads: e.
        by_similarity: Whether positions count in their representative by their similarity, or all alike.
    """
    y, rows = EncodeFew.apply(*groups, *weights, heads, by_similarity)
    return y, rows


class EncodeFew(torch.autograd.Function):
    """`encode_few`, of a flat list of what it takes."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor]:
        groups, layer, (heads, by_similarity) = Groups(*inputs[:4]), Weights(*inputs[4:13]), inputs[13:]
        low = product_dtype(groups.x.device, layer.f_weight.dtype)
        with torch.autocast(groups.x.device.type, enabled=False):
            chosen = choose(groups, layer, heads, low)
            sums, share, bias = sum_up(groups, layer, chosen, heads, by_similarity)
            y = torch.baddbmm(bias.to(low), share.to(low).transpose(1, 2), sums.table.to(low))
        ctx.save_for_backward(*groups, *layer, *chosen, *sums)
        ctx.settings = heads, by_similarity, low
        ctx.mark_non_differentiable(chosen.rows)
        ctx.set_materialize_grads(False)
        return y, chosen.rows

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        saved, (heads, by_similarity, low) = ctx.saved_tensors, ctx.settings
        groups, chosen, sums = Groups(*saved[:4]), Chosen(*saved[13:22]), Sums(*saved[22:])
        scale = saved[12]
        layer = Weights._make([*map(full, saved[4:12]), None if scale is None else full(scale)])
        share = times(sums.member, chosen.similarity)
        of_share, of_rep, *of_projections = back_to_representatives(
            gradient.to(low), share.to(low), layer, chosen, sums, heads
        )
        of_x, of_means, of_weight = back_to_sums(of_rep, share, groups, chosen, sums, by_similarity)
        if of_weight is not None:
            of_share = of_share + of_weight
        of_cosine = back_to_features(of_share, of_x, of_means, groups, layer, chosen, sums, low)
        of_f, of_f_bias, of_alpha, of_beta = of_cosine
        of_v, of_v_bias, of_proj, of_bias, of_scale = of_projections
        return (
            of_x, of_means, None, None, of_f, of_f_bias, of_v, of_v_bias, of_proj, of_bias, of_alpha, of_beta, of_scale,
            None, None,
        )  # fmt: skip
