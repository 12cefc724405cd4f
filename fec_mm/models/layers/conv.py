"""Convolutions between B×H×W×C maps."""

from __future__ import annotations

from torch import Tensor, nn


class StridedConv(nn.Conv2d):
    """A 3×3 convolution with stride 2: B×H×W×C → B×ceil(H/2)×ceil(W/2)×C', Context Cluster's downsampling."""

    def __init__(self, in_dim: int, dim: int) -> None:
        super().__init__(in_dim, dim, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class NormedConv(nn.Module):
    """EnFormer's downsampling: a `StridedConv` and a LayerNorm.

    Args:
        in_dim, dim: Channels before and after.
        eps: Of the norm.
    """

    def __init__(self, in_dim: int, dim: int, eps: float) -> None:
        super().__init__()
        self.conv = StridedConv(in_dim, dim)
        self.norm = nn.LayerNorm(dim, eps)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))
