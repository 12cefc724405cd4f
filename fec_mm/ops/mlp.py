"""MLPs that keep few of their hidden numbers, and compute the others once more in the backward pass.

Shapes: N rows or B×H×W positions, C channels in, K hidden, C' out.
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
# Hidden numbers that are kept: 4 MiB, which is less than to compute them again is worth.
KEPT = 1 << 20


def silu_mlp(x: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor) -> Tensor:
    """silu(x·W₁ᵀ + b₁)·W₂ᵀ + b₂.

    Its SiLU is computed once more in the backward pass. Many hidden numbers are computed in tiles that stay in cache,
    and once more too.

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
            of_hidden = g @ weight2
            torch.ops.aten.silu_backward.grad_input(of_hidden, hidden, grad_input=of_hidden)
            of_weight1.product(of_hidden, rows)
            of_bias1.add(of_hidden.sum(0))
            torch.mm(of_hidden, weight1, out=out)
        return of_x, of_weight1.value, of_bias1.value, of_weight2.value, gradient.sum(0)


def _step(x: Tensor, weight1: Tensor) -> int:
    return max(1, (TILE if x.device.type == 'cpu' else tile_size(x.device)) // len(weight1))


def conv_mlp(
    x: Tensor, weight1: Tensor, bias1: Tensor, kernel: Tensor, shift: Tensor, weight2: Tensor, bias2: Tensor
) -> Tensor:
    """gelu(conv(x·W₁ᵀ + b₁))·W₂ᵀ + b₂, the convolution depthwise and of odd sides.

    Args:
        x: B×H×W×C.
        weight1, bias1, weight2, bias2: K×C, K, C'×K and C'.
        kernel, shift: Of the convolution, K×1×k×k and K.

    Returns:
        B×H×W×C'.
    """
    if torch.compiler.is_compiling() or is_exporting() or autocasting(x.device):
        hidden = _convolved(F.linear(x, weight1, bias1), kernel, shift)
        return F.linear(F.gelu(hidden), weight2, bias2)
    y: Tensor = ConvMLP.apply(x, weight1, bias1, kernel, shift, weight2, bias2)
    return y


class ConvMLP(torch.autograd.Function):
    """`conv_mlp`: keeps what the convolution takes, and what it gives where that is little."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight1: Tensor,
        bias1: Tensor,
        kernel: Tensor,
        shift: Tensor,
        weight2: Tensor,
        bias2: Tensor,
    ) -> Tensor:
        hidden = F.linear(x, weight1, bias1)
        convolved = _convolved(hidden, kernel, shift)
        few = hidden.numel() <= KEPT
        ctx.save_for_backward(x, weight1, kernel, shift, weight2, hidden, convolved if few else None)
        return F.linear(F.gelu(convolved), weight2, bias2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        x, weight1, kernel, shift, weight2, hidden, convolved = ctx.saved_tensors
        if convolved is None:
            convolved = _convolved(hidden, kernel, shift)
        g = gradient.reshape(-1, gradient.shape[-1])
        of_weight2 = g.t() @ F.gelu(convolved).flatten(0, 2)
        of_convolved = (g @ weight2).view(hidden.shape)
        torch.ops.aten.gelu_backward.grad_input(of_convolved, convolved, grad_input=of_convolved)
        of_hidden, of_kernel, of_shift = torch.ops.aten.convolution_backward(
            of_convolved.permute(0, 3, 1, 2),
            hidden.permute(0, 3, 1, 2),
            kernel,
            [len(kernel)],
            [1, 1],
            [kernel.shape[2] // 2, kernel.shape[3] // 2],
            [1, 1],
            False,
            [0, 0],
            len(kernel),
            [True, True, True],
        )
        of_hidden = of_hidden.permute(0, 2, 3, 1).reshape(-1, len(kernel))
        of_weight1 = of_hidden.t() @ x.reshape(-1, x.shape[-1])
        of_x = (of_hidden @ weight1).view(x.shape)
        return of_x, of_weight1, of_hidden.sum(0), of_kernel, of_shift, of_weight2, g.sum(0)


def _convolved(hidden: Tensor, kernel: Tensor, shift: Tensor) -> Tensor:
    """B×H×W×K → B×H×W×K."""
    padding = kernel.shape[2] // 2, kernel.shape[3] // 2
    y = F.conv2d(hidden.permute(0, 3, 1, 2), kernel, shift, padding=padding, groups=len(kernel))
    return y.permute(0, 2, 3, 1)
