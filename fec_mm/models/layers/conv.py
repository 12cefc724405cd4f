"""Convolutions between B×H×W×C maps, and from images."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class StridedConv(nn.Conv2d):
    """A 3×3 convolution with stride 2: B×H×W×C → B×ceil(H/2)×ceil(W/2)×C', Context Cluster's downsampling."""

    def __init__(self, in_dim: int, dim: int) -> None:
        super().__init__(in_dim, dim, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class PointStem(nn.Module):
    """Images to points: two channels of coordinates are added, and each 4×4 patch is projected (section 3.3).

    B×3×H×W → B×floor(H/4)×floor(W/4)×C. The coordinates run from −0.5 to 0.5 along each side. They need float32, under
    mixed precision too: with eight bits of mantissa neighbours of a large image fall together.
    """

    patch_size = 4

    def __init__(self, in_channels: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels + 2, dim, self.patch_size, stride=self.patch_size)

    def forward(self, x: Tensor) -> Tensor:
        B, _, H, W = x.shape
        row, col = (torch.arange(side, dtype=torch.float32, device=x.device) for side in (H, W))
        # By a tensor: a GPU would multiply by the reciprocal of a number, which gives other digits than the CPU's
        # division.
        row, col = row / row[-1:] - 0.5, col / col[-1:] - 0.5
        points = torch.stack(torch.meshgrid(row, col, indexing='ij')).to(x.dtype)
        with torch.autocast(x.device.type, enabled=False):
            weight = self.proj.weight
            x = torch.cat([x, points.expand(B, -1, -1, -1)], 1).to(weight.dtype)
            # In the layout of the maps, which makes the convolution faster, and which Inductor would otherwise choose
            # by itself and tie the backward graph to one image size.
            return self.proj(x.contiguous(memory_format=torch.channels_last)).permute(0, 2, 3, 1).contiguous()
