"""CLUENet's clustering transcribed step by step: the yardstick of `fec_mm.ops.attention`.

Scores and masks of M×N are kept, and every position is projected. It is here for tests and benchmarks.

Shapes: as in `fec_mm.ops.attention`; here S is (B·e)×M×N.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .attention import LEAST, Attended, Chosen, Gate, gate_of


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
    """Centers that collect the values of all positions; see `fec_mm.ops.attention.attend`."""
    k, v = (
        F.linear(x, weight, bias).permute(0, 3, 1, 2).unflatten(1, (heads, -1))
        for weight, bias in ((k_weight, k_bias), (v_weight, v_bias))
    )
    center_k, center_v = (
        F.adaptive_avg_pool2d(t.flatten(0, 1), centers).unflatten(0, t.shape[:2]).flatten(3).transpose(2, 3)
        for t in (k, v)
    )
    k, v = k.flatten(3), v.flatten(3).transpose(2, 3)
    cosine = F.normalize(center_k, dim=-1) @ F.normalize(k, dim=2)
    values = (torch.exp(-log_temperature.clamp(min=LEAST)) * cosine).softmax(-1) @ v
    share = gate_of(torch.cat([values, center_v], -1), gate)
    return Attended((1 - share) * values + share * center_v, k, None)


def choose(attended: Attended, q_weight: Tensor, q_bias: Tensor, alpha: Tensor, beta: Tensor) -> Chosen:
    """Each position's center; see `fec_mm.ops.attention.choose`. The similarity is S, B×e×M×N, zero elsewhere."""
    values, keys, _ = attended
    queries = F.linear(values.transpose(1, 2).flatten(2), q_weight, q_bias)
    queries = queries.unflatten(-1, values.shape[1::2]).transpose(1, 2)
    cosine = F.normalize(queries, dim=-1) @ F.normalize(keys, dim=2)
    score = torch.sigmoid(beta + alpha * cosine)
    index = score.argmax(2, keepdim=True)
    mask = torch.zeros_like(score).scatter_(2, index, 1)
    return Chosen(index[:, :, 0].transpose(1, 2), score * mask)


def spread(values: Tensor, chosen: Chosen, proj_weight: Tensor, proj_bias: Tensor) -> Tensor:
    """Each position's own center's value; see `fec_mm.ops.attention.spread`."""
    y = chosen.similarity.transpose(2, 3) @ values
    return F.linear(y.transpose(1, 2).flatten(2), proj_weight, proj_bias)
