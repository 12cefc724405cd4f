"""Images to points: two channels of coordinates are added, and convolutions reduce the map."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def with_coordinates(x: Tensor, offset: float = 0.0) -> Tensor:
    """An image and two channels of coordinates, B×3×H×W → B×5×H×W, channels last in memory.

    They run from −0.5 to 0.5 along each side or, with an offset o, are (i + o) / (H − 1) for row i, and likewise for
    columns. They need float32, under mixed precision too: with eight bits of mantissa neighbours of a large image fall
    together.
    """
    B, _, H, W = x.shape
    row, col = (torch.arange(side, dtype=torch.float32, device=x.device) for side in (H, W))
    # By a tensor: a GPU would multiply by the reciprocal of a number, which gives other digits than the CPU's division.
    row, col = ((side + offset) / side[-1:] - (0.0 if offset else 0.5) for side in (row, col))
    points = torch.stack(torch.meshgrid(row, col, indexing='ij')).to(x.dtype)
    # In the layout of the maps, which makes the convolution faster, and which Inductor would otherwise choose by itself
    # and tie the backward graph to one image size.
    return torch.cat([x, points.expand(B, -1, -1, -1)], 1).contiguous(memory_format=torch.channels_last)


class Stem(nn.Module):
    """The first layer of a clustering backbone, B×3×H×W → B×h×w×C: what it gets are the images."""

    proj: nn.Conv2d

    def points(self, x: Tensor, offset: float = 0.0) -> Tensor:
        """The first convolution of the image and its coordinates, in the precision of its weights."""
        with torch.autocast(x.device.type, enabled=False):
            return self.proj(with_coordinates(x, offset).to(self.proj.weight.dtype)).permute(0, 2, 3, 1).contiguous()


class PointStem(Stem):
    """FEC's, section 3.3: each 4×4 patch is projected, B×3×H×W → B×floor(H/4)×floor(W/4)×C."""

    patch_size = 4

    def __init__(self, in_channels: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels + 2, dim, self.patch_size, stride=self.patch_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.points(x)


class OverlapStem(Stem):
    """EnFormer's: two convolutions that halve the map, B×3×H×W → B×ceil(H/4)×ceil(W/4)×C.

    Args:
        in_channels, dim: Channels of the image and of the map, which is even.
        eps: Of the norms.
    """

    def __init__(self, in_channels: int, dim: int, eps: float) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels + 2, dim // 2, 3, stride=2, padding=1)
        self.norm1 = nn.LayerNorm(dim // 2, eps)
        self.proj2 = nn.Conv2d(dim // 2, dim, 3, stride=2, padding=1)
        self.norm2 = nn.LayerNorm(dim, eps)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.norm1(self.points(x, -0.5)))
        return self.norm2(self.proj2(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))


class NormedStem(Stem):
    """CLUENet's: a projection of patches, a norm, and a depthwise convolution that is added.

    Args:
        in_channels, dim: Channels of the image and of the map.
        stride: 4, with patches of 4×4; or 1, with a convolution of 3×3 for small images.
    """

    def __init__(self, in_channels: int, dim: int, stride: int) -> None:
        super().__init__()
        kernel, padding = (3, 1) if stride == 1 else (stride, 0)
        self.proj = nn.Conv2d(in_channels + 2, dim, kernel, stride=stride, padding=padding)
        self.norm = nn.LayerNorm(dim)
        self.position = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.points(x))
        return x + self.position(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
