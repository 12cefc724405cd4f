"""CLUENet's clustering: centers attend to all positions, and positions take their most similar center's value.

The attention keeps no scores. Only the chosen pair of a position needs a
gradient. The output projection is applied to the centers instead of to all positions.
`fec_mm.ops.reference_attention` has the same functions step by step.

Shapes: B images, H×W = N positions, C channels, e heads of D channels, m×m = M centers.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .assign import assign
from .few_queries import attention
from .members import Indexed, OneHot, one_hot_is_faster
from .regions import average_centers, is_exporting
from .vectors import full, length, normalize

LEAST = math.log(1e-4)  # of the temperature's logarithm


class Gate(NamedTuple):
    """Two linear layers of each head: e×h×2D, e×h, e×1×h, e×1."""

    weight1: Tensor
    bias1: Tensor
    weight2: Tensor
    bias2: Tensor


class Attended(NamedTuple):
    """Centers' values, B×e×M×D; normalised keys of all positions, B×N×e×D; which centers can be chosen, M, or None."""

    values: Tensor
    keys: Tensor
    choosable: Tensor | None


class Chosen(NamedTuple):
    """Each position's center, B×N×e int64, and their similarity, B×N×e."""

    centers: Tensor
    similarity: Tensor


def attend(
    x: Tensor,
    k_weight: Tensor,
    k_bias: Tensor,
    v_weight: Tensor,
    v_bias: Tensor,
    log_temperature: Tensor,
    gate: Gate,
    *,
    heads: int,
    centers: int,
) -> Attended:
    """Centers that collect the values of all positions.

    Args:
        x: B×H×W×C, any H and W.
        k_weight, k_bias, v_weight, v_bias: Projections to keys and values, (e·D)×C and e·D.
        log_temperature: Of the attention; a scalar.
        gate: How much of a center's mean value takes the place of what it collects.
        heads: e.
        centers: m, centers per side.
    """
    k = F.linear(x, k_weight, k_bias).flatten(1, 2).unflatten(-1, (heads, -1))
    v = F.linear(x, v_weight, v_bias).flatten(1, 2).unflatten(-1, (heads, -1))
    with torch.autocast(x.device.type, enabled=False):
        means, choosable = average_centers(full(x), 1, centers)
        center_k, center_v = (
            F.linear(means, full(weight), full(bias)).unflatten(-1, (heads, -1)).transpose(1, 2)
            for weight, bias in ((k_weight, k_bias), (v_weight, v_bias))
        )
        keys = directions(full(k))
        scale = torch.exp(-full(log_temperature).clamp(min=LEAST))
        values = attention(normalize(center_k) * scale, keys.transpose(1, 2), full(v).transpose(1, 2))
        share = gate_of(torch.cat([values, center_v], -1), gate)
        return Attended(values + share * (center_v - values), keys, None if choosable is None else choosable[0])


def gate_of(x: Tensor, gate: Gate) -> Tensor:
    """sigmoid(fc2(GELU(fc1(x)))), each head with its own layers: B×e×M×2D → B×e×M×1."""
    hidden = F.gelu(x @ full(gate.weight1).transpose(1, 2) + full(gate.bias1)[:, None])
    return torch.sigmoid(hidden @ full(gate.weight2).transpose(1, 2) + full(gate.bias2)[:, None])


def choose(attended: Attended, q_weight: Tensor, q_bias: Tensor, alpha: Tensor, beta: Tensor) -> Chosen:
    """Each position's center: that with the largest s = sigmoid(β + α·cos), the first one at a tie.

    Args:
        attended: Centers and keys.
        q_weight, q_bias: Projection of the heads' centers together, (e·D)×(e·D) and e·D.
        alpha, beta: One element each; alpha may be negative.
    """
    values, keys, choosable = attended
    B, heads, M, _ = values.shape
    with torch.autocast(keys.device.type, enabled=False):
        queries = F.linear(values.transpose(1, 2).flatten(2), full(q_weight), full(q_bias))
        queries = normalize(queries.unflatten(-1, (heads, -1)).transpose(1, 2))
        # The sigmoid is monotonic: where alpha is negative, the smallest cosine is the best; where it is zero, all tie.
        signed = queries.detach() * alpha.detach().sign().to(queries.dtype)
        offsets = queries.new_zeros(B * heads, 1, M)
        if choosable is not None:
            offsets = offsets.masked_fill(~choosable, -float('inf'))
        rows = keys.detach().transpose(1, 2).flatten(0, 1)
        index = assign(rows, signed.flatten(0, 1)[:, None], offsets)
        index = index.view(B, heads, -1).transpose(1, 2).contiguous()
        cosine = Indexed(index, M).dot(keys, queries)
        return Chosen(index, torch.sigmoid(full(beta) + full(alpha) * cosine))


def spread(values: Tensor, chosen: Chosen, proj_weight: Tensor, proj_bias: Tensor) -> Tensor:
    """Each position's own center's value, times their similarity, projected: B×e×M×D → B×N×C.

    Args:
        values: Of the centers.
        chosen: Who takes which.
        proj_weight, proj_bias: Output projection, C×(e·D) and C.
    """
    heads, M = values.shape[1:3]
    with torch.autocast(values.device.type, enabled=False):
        table = values @ full(proj_weight).unflatten(1, (heads, -1)).permute(1, 2, 0)
    members = (OneHot if one_hot_is_faster(heads, M) else Indexed)(chosen.centers, M)
    return members.dispatch(table.to(proj_weight.dtype), chosen.similarity) + proj_bias


def directions(x: Tensor) -> Tensor:
    """`normalize` for many vectors, which are not kept."""
    if torch.compiler.is_compiling() or is_exporting():
        return normalize(x)
    unit: Tensor = Directions.apply(x)
    return unit


class Directions(torch.autograd.Function):
    """`directions`: keeps them, and the lengths."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        lengths = length(x)
        unit = x / lengths
        ctx.save_for_backward(unit, lengths)
        return unit

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        unit, lengths = ctx.saved_tensors
        along = (unit * gradient).sum(-1, keepdim=True)
        return torch.addcmul(gradient, unit, along, value=-1).div_(lengths)
