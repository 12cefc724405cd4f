"""Two linear layers with a GELU between them, which keep the hidden numbers once: before the GELU, not behind it too.

Shapes: N rows, C channels in, K hidden, C' out.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .linear import of_unscaled, product_dtype


def gelu_mlp(
    x: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor, scale: Tensor | None = None
) -> Tensor:
    """(gelu(x·W₁ᵀ + b₁)·W₂ᵀ + b₂) · scale.

    Args:
        x: …×C.
        weight1, bias1, weight2, bias2: K×C, K, C'×K and C'.
        scale: C'. Default: 1.

    Returns:
        …×C'.
    """
    rows: Tensor = GeluMLP.apply(x.reshape(-1, x.shape[-1]), weight1, bias1, weight2, bias2, scale)
    return rows.view(*x.shape[:-1], -1)


class GeluMLP(torch.autograd.Function):
    """`gelu_mlp` of N×C rows."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor, scale: Tensor | None
    ) -> Tensor:
        dtype = product_dtype(x.device, weight1.dtype)
        with torch.autocast(x.device.type, enabled=False):
            x, weight1, bias1, weight2, bias2 = (t.to(dtype) for t in (x, weight1, bias1, weight2, bias2))
            hidden = F.linear(x, weight1, bias1)
            scaled = weight2 if scale is None else weight2 * scale[:, None]
            ctx.save_for_backward(x, hidden, weight1, scaled, weight2, bias2, scale)
            return F.linear(F.gelu(hidden), scaled, bias2 if scale is None else bias2 * scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, hidden, weight1, scaled, weight2, bias2, scale = ctx.saved_tensors
        of_hidden = torch.ops.aten.gelu_backward(gradient @ scaled, hidden)
        of_weight2, of_bias2, of_scale = gradient.t() @ F.gelu(hidden), gradient.sum(0), None
        if scale is not None:
            of_weight2, of_bias2, of_scale = of_unscaled(of_weight2, of_bias2, weight2, bias2, scale)
        return of_hidden @ weight1, of_hidden.t() @ x, of_hidden.sum(0), of_weight2, of_bias2, of_scale
