"""Two linear layers with a SiLU between them, whose hidden numbers are not kept where they are many.

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

# Hidden numbers at once on a CPU: 1 MiB.
TILE = 1 << 18
# Hidden numbers that are kept: 16 MiB, which is less than to compute them again is worth.
KEPT = 1 << 22


def silu_mlp(x: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor) -> Tensor:
    """silu(x·W₁ᵀ + b₁)·W₂ᵀ + b₂.

    Many hidden numbers are computed in tiles that stay in cache, and once more in the backward pass.

    Args:
        x: …×C.
        weight1, bias1, weight2, bias2: K×C, K, C'×K and C'.

    Returns:
        …×C'.
    """
    plain = torch.compiler.is_compiling() or is_exporting() or autocasting(x.device)
    if plain or x.shape[:-1].numel() * len(weight1) <= KEPT:
        return F.linear(F.silu(F.linear(x, weight1, bias1)), weight2, bias2)
    rows = SiluMLP.apply(x.reshape(-1, x.shape[-1]), weight1, bias1, weight2, bias2)
    return rows.view(*x.shape[:-1], -1)


class SiluMLP(torch.autograd.Function):
    """`silu_mlp` of N×C rows, tile by tile."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight1, bias1, weight2)
        y = x.new_empty(len(x), len(weight2))
        step = _step(x, weight1)
        for rows, out in zip(x.split(step), y.split(step)):
            torch.addmm(bias2, F.silu(torch.addmm(bias1, rows, weight1.t()), inplace=True), weight2.t(), out=out)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        x, weight1, bias1, weight2 = ctx.saved_tensors
        of_x = torch.empty_like(x)
        of_weight1, of_bias1, of_weight2 = (torch.zeros_like(t) for t in (weight1, bias1, weight2))
        step = _step(x, weight1)
        for rows, g, out in zip(x.split(step), gradient.split(step), of_x.split(step)):
            hidden = torch.addmm(bias1, rows, weight1.t())
            of_weight2.addmm_(g.t(), F.silu(hidden))
            of_hidden = torch.ops.aten.silu_backward(g @ weight2, hidden)
            of_weight1.addmm_(of_hidden.t(), rows)
            of_bias1 += of_hidden.sum(0)
            torch.mm(of_hidden, weight1, out=out)
        return of_x, of_weight1, of_bias1, of_weight2, gradient.sum(0)


def _step(x: Tensor, weight1: Tensor) -> int:
    return max(1, (TILE if x.device.type == 'cpu' else tile_size(x.device)) // len(weight1))
