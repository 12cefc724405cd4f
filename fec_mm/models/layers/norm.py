"""Normalisation of B×H×W×C maps."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fec_mm.ops.regions import is_exporting
from fec_mm.ops.vectors import full


class GroupNorm(nn.GroupNorm):
    """Group norm with one group: each image over all its positions and channels, B×H×W×C in and out.

    Seen as B×C×H×W the map is in the channels-last memory format, for which PyTorch has kernels on CPUs: nothing is
    copied.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(1, dim)

    def forward(self, x: Tensor) -> Tensor:
        # Inductor lays the output of group norm out channels first, and cannot order its strides where sizes are
        # symbolic.
        compiling = torch.compiler.is_compiling() and not is_exporting()
        if x.device.type == 'cuda' and not compiling and not is_exporting():
            return ByMoments.apply(full(x), self.weight, self.bias, self.eps)
        # The first trainable layer behind frozen ones: there PyTorch's channels-last backward on the CPU, without a
        # gradient of the input to write, crashes the process (aten/src/ATen/native/cpu/group_norm_kernel.cpp, torch
        # 2.13).
        crashes = torch.is_grad_enabled() and self.weight.requires_grad and not x.requires_grad
        if crashes or compiling:
            y = F.layer_norm(x, x.shape[1:], eps=self.eps)
            return (y * self.weight + self.bias).to(y.dtype)
        return F.group_norm(x.permute(0, 3, 1, 2), 1, self.weight, self.bias, self.eps).permute(0, 2, 3, 1)


class ByMoments(torch.autograd.Function):
    """The same for GPUs, where PyTorch's forward pass takes one block of threads for each image, however large, and
    copies
    channels-last maps to another layout and back. Takes a map, weight, bias and eps."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        var, mean = torch.var_mean(x.flatten(1), 1, correction=0, keepdim=True)
        rstd = var.add_(eps).rsqrt_()
        scale = rstd * weight  # B×C
        shift = torch.addcmul(bias, mean, scale, value=-1)
        ctx.save_for_backward(x, mean, rstd, weight)
        return torch.addcmul(shift[:, None, None], x, scale[:, None, None])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, rstd, weight = ctx.saved_tensors
        B, H, W, C = x.shape
        first = (t.permute(0, 3, 1, 2).contiguous() for t in (gradient, x))
        of_x, of_weight, of_bias = torch.ops.aten.native_group_norm_backward(
            *first, mean, rstd, weight, B, C, H * W, 1, ctx.needs_input_grad[:3]
        )
        return None if of_x is None else of_x.permute(0, 2, 3, 1), of_weight, of_bias, None
