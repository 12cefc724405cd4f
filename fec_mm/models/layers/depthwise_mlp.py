"""MLPs with a depthwise convolution: B×H×W×C → B×H×W×C."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from fec_mm.ops.linear import scaled
from fec_mm.ops.mlp import conv_mlp, silu_mlp

from .depthwise import DepthwiseBranches


class BranchedMLP(nn.Module):
    """EnFormer's: depthwise branches, then two linear layers with a SiLU between them.

    Args:
        dim, hidden_dim: Channels.
        kernel: Of the depthwise branches.
        deploy: Whether those are one convolution.
    """

    def __init__(self, dim: int, hidden_dim: int, kernel: int, deploy: bool = False) -> None:
        super().__init__()
        self.depthwise = DepthwiseBranches(dim, kernel, deploy)
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, dim)
        self.implementation = 'fast'

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """The MLP's output; `scale`, one number per channel, multiplies it."""
        weight, bias = scaled(self.fc2.weight, self.fc2.bias, scale)
        x = self.depthwise(x)
        if self.implementation == 'fast':
            return silu_mlp(x, self.fc1.weight, self.fc1.bias, weight, bias)
        return F.linear(F.silu(self.fc1(x)), weight, bias)


class ConvMLP(nn.Module):
    """CLUENet's: two linear layers with a depthwise 3×3 convolution and a GELU between them.

    Args:
        dim, hidden_dim: Channels.
    """

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.conv = nn.Conv2d(hidden_dim, hidden_dim, 3, padding=1, groups=hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, dim)
        self.implementation = 'fast'

    def forward(self, x: Tensor) -> Tensor:
        if self.implementation == 'fast':
            assert self.conv.bias is not None
            kernel = self.conv.weight, self.conv.bias
            return conv_mlp(x, self.fc1.weight, self.fc1.bias, *kernel, self.fc2.weight, self.fc2.bias)
        return self.fc2(F.gelu(self.conv(self.fc1(x).permute(0, 3, 1, 2))).permute(0, 2, 3, 1))
