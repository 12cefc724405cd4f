"""CLUENet's clustering-based pooling as a layer."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from fec_mm.ops import pool, reference

from .conv import StridedConv
from .init import as_convolution
from .tap import AssignmentTap


class LearntPool(nn.Module):
    """A strided convolution plus the representatives of a clustering, B×H×W×C → B×ceil(H/2)×ceil(W/2)×C', any H and W.

    One map is what is compared and what is averaged, so that its projection learns from the averages.

    Args:
        in_dim, dim: Channels before and after.
        normed: Whether the representatives pass a norm before they are added.
    """

    def __init__(self, in_dim: int, dim: int, normed: bool = False) -> None:
        super().__init__()
        self.f = as_convolution(nn.Linear(in_dim, in_dim))
        self.norm1 = nn.LayerNorm(in_dim)
        self.v1 = as_convolution(nn.Linear(in_dim, in_dim))
        self.v2 = as_convolution(nn.Linear(in_dim, dim))
        self.norm2 = nn.LayerNorm(dim) if normed else nn.Identity()
        self.skip = StridedConv(in_dim, dim)
        self.tap = AssignmentTap()
        self.implementation = 'fast'

    def forward(self, x: Tensor) -> Tensor:
        run = pool if self.implementation == 'fast' else reference.pool
        y, ids = run(x, self.f.weight, self.f.bias, self.f.weight, self.f.bias)
        self.tap(ids)
        return self.skip(x) + self.norm2(self.v2(F.gelu(self.v1(self.norm1(y)))))
