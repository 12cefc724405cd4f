"""Projections: scaled, and in what precision autocast makes their products.

Shapes: K channels in, C out.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .regions import is_exporting
from .vectors import row_products


def autocasting(device: torch.device) -> bool:
    """`torch.is_autocast_enabled(device.type)`, which torch before 2.4 has as two functions."""
    if hasattr(torch, 'get_autocast_dtype'):
        return torch.is_autocast_enabled(device.type)
    return torch.is_autocast_cpu_enabled() if device.type == 'cpu' else torch.is_autocast_enabled()


def product_dtype(device: torch.device, dtype: torch.dtype) -> torch.dtype:
    """What matrix products of weights of `dtype` are made in: that of autocast, if that is on."""
    if not autocasting(device):
        return dtype
    if hasattr(torch, 'get_autocast_dtype'):
        return torch.get_autocast_dtype(device.type)
    return torch.get_autocast_cpu_dtype() if device.type == 'cpu' else torch.get_autocast_gpu_dtype()


def scaled(weight: Tensor, bias: Tensor, scale: Tensor | None) -> tuple[Tensor, Tensor]:
    """Weight, C×K, and bias of a projection whose output is multiplied by `scale`, one number per channel; None: it is
    not."""
    if scale is None:
        return weight, bias
    if torch.compiler.is_compiling() or is_exporting() or weight.dtype != scale.dtype:
        return weight * scale[:, None], bias * scale
    both: tuple[Tensor, Tensor] = Scaled.apply(weight, bias, scale)
    return both


class Scaled(torch.autograd.Function):
    """`scaled`, with fewer operators in its backward pass."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(weight, bias, scale)
        return weight * scale[:, None], bias * scale

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_weight: Tensor, of_bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return of_unscaled(of_weight, of_bias, *ctx.saved_tensors)


def of_unscaled(
    of_weight: Tensor, of_bias: Tensor, weight: Tensor, bias: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of weight, bias and scale, from those of the scaled weight and bias."""
    of_scale = torch.addcmul(row_products(of_weight, weight), of_bias, bias)
    return of_weight * scale[:, None], of_bias * scale, of_scale
