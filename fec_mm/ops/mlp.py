"""Two linear layers with a SiLU between them: of the hidden numbers those before it are kept, or none where they are many.

Shapes: N rows, C channels in, K hidden, C' out.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .assign import tile_size
from .linear import autocasting
from .regions import is_exporting
from .total import Total

# Hidden numbers at once on a CPU: 1 MiB.
TILE = 1 << 18
# Hidden numbers that are kept: 16 MiB, which is less than to compute them again is worth.
KEPT = 1 << 22


def silu_mlp(x: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor) -> Tensor:
    """silu(x·W₁ᵀ + b₁)·W₂ᵀ + b₂.

    Its SiLU is computed once more in the backward pass. Many hidden numbers are computed in tiles that stay in cache, and
    once more too.

    Args:
        x: …×C.
        weight1, bias1, weight2, bias2: K×C, K, C'×K and C'.

    Returns:
        …×C'.
    """
    if torch.compiler.is_compiling() or is_exporting() or autocasting(x.device):
        return F.linear(F.silu(F.linear(x, weight1, bias1)), weight2, bias2)
    rows = SiluMLP.apply(x.reshape(-1, x.shape[-1]), weight1, bias1, weight2, bias2)
    return rows.view(*x.shape[:-1], -1)


class SiluMLP(torch.autograd.Function):
    """`silu_mlp` of N×C rows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor) -> Tensor:
        if len(x) * len(weight1) <= KEPT:
            hidden = torch.addmm(bias1, x, weight1.t())
            ctx.save_for_backward(x, weight1, bias1, weight2, hidden)
            return torch.addmm(bias2, F.silu(hidden), weight2.t())
        ctx.save_for_backward(x, weight1, bias1, weight2, None)
        y = x.new_empty(len(x), len(weight2))
        step = _step(x, weight1)
        for rows, out in zip(x.split(step), y.split(step)):
            torch.addmm(bias2, F.silu(torch.addmm(bias1, rows, weight1.t()), inplace=True), weight2.t(), out=out)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        x, weight1, bias1, weight2, kept = ctx.saved_tensors
        of_x = torch.empty_like(x)
        of_weight1, of_bias1, of_weight2 = Total(), Total(), Total()
        step = max(1, len(x)) if kept is not None else _step(x, weight1)
        for rows, g, out in zip(x.split(step), gradient.split(step), of_x.split(step)):
            hidden = torch.addmm(bias1, rows, weight1.t()) if kept is None else kept
            of_weight2.product(g, F.silu(hidden))
            of_hidden = torch.ops.aten.silu_backward(g @ weight2, hidden)
            of_weight1.product(of_hidden, rows)
            of_bias1.add(of_hidden.sum(0))
            torch.mm(of_hidden, weight1, out=out)
        return of_x, of_weight1.value, of_bias1.value, of_weight2.value, gradient.sum(0)


def _step(x: Tensor, weight1: Tensor) -> int:
    return max(1, (TILE if x.device.type == 'cpu' else tile_size(x.device)) // len(weight1))
