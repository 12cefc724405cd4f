"""Maps of other sizes by two small matrix products: deterministic on every device, and plain operators when exported.

Shapes: B images, H×W positions, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .regions import is_exporting, kept, pool_by, pooling_matrix


def with_means(x: Tensor, sides: Sequence[int], positions: bool) -> Tensor:
    """The positions of a map, if they are wanted, and behind them its adaptive averages to m×m for each m of `sides`:
    B×H×W×C → B×R×C, R = H·W + Σ m² or Σ m²."""
    matrices = [pooling_matrix(length, length, 1, side, x)[0] for side in sides for length in x.shape[1:3]]
    if torch.compiler.is_compiling() or is_exporting():
        means = [pool_by(rows, cols, x).flatten(1, 2) for rows, cols in zip(matrices[::2], matrices[1::2])]
        return torch.cat([x.flatten(1, 2)] * positions + means, 1)
    y: Tensor = WithMeans.apply(x, positions, *matrices)
    return y


class WithMeans(torch.autograd.Function):
    """`with_means`, whose gradients are summed by the products that make them. Takes a map, whether positions are
    wanted, and a pair of matrices for each side."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, positions: bool, *matrices: Tensor) -> Tensor:
        ctx.shape, ctx.positions, ctx.matrices = x.shape, positions, matrices
        means = [pool_by(rows, cols, x).flatten(1, 2) for rows, cols in zip(matrices[::2], matrices[1::2])]
        return torch.cat([x.flatten(1, 2)] * positions + means, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        B, H, W, C = ctx.shape
        first = H * W if ctx.positions else 0
        of_x: Any = gradient[:, :first].reshape(B * H, W, C) if ctx.positions else None
        for rows, cols in zip(ctx.matrices[::2], ctx.matrices[1::2]):
            last = first + len(rows) * len(cols)
            of_band = rows.t() @ gradient[:, first:last].unflatten(1, (len(rows), -1)).flatten(2)
            of_band, turned = of_band.view(B * H, len(cols), C), cols.t().expand(B * H, -1, -1)
            of_x = turned @ of_band if of_x is None else torch.baddbmm(of_x, turned, of_band)
            first = last
        return (None if of_x is None else of_x.view(ctx.shape), *[None] * (1 + len(ctx.matrices)))


def bilinear(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear interpolation without aligned corners: B×h×w×C → B×H×W×C."""
    rows, cols = (kept(_bilinear_matrix)(old, new, like=x) for old, new in zip(x.shape[1:3], size))
    return pool_by(rows, cols, x)


def _bilinear_matrix(old: int, new: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """One side of `torch.nn.functional.interpolate`, new×old."""
    # In the precision of the map, as PyTorch has it.
    place = ((torch.arange(new, device=device).to(dtype) + 0.5) * (old / new) - 0.5).clamp(min=0)
    before = place.floor().clamp(max=old - 1)
    after = (before + 1).clamp(max=old - 1)
    share = (place - before)[:, None]
    column = torch.arange(old, device=device)
    return (column == before[:, None]) * (1 - share) + (column == after[:, None]) * share
