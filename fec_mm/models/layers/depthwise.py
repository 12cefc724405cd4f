"""EnFormer's depthwise convolution of several branches, which becomes one for deployment."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fec_mm.ops.branches import Norm, normed_sum
from fec_mm.ops.linear import autocasting
from fec_mm.ops.regions import is_exporting

# Kernel and dilation of the small branches beside a kernel.
BRANCHES = {3: ((1, 1),), 5: ((3, 1), (3, 2)), 7: ((5, 1), (3, 2), (3, 3))}


class DepthwiseBranches(nn.Module):
    """norm(bn(conv(x)) + Σ bn_j(conv_j(x))), all depthwise and of the same size, B×H×W×C → B×H×W×C.

    In evaluation it is computed as the one convolution that it is then.

    Args:
        dim: Channels.
        kernel: 3, 5 or 7.
        deploy: Whether it is that one convolution from the start.
    """

    def __init__(self, dim: int, kernel: int, deploy: bool = False) -> None:
        super().__init__()
        self.conv = _depthwise(dim, kernel, bias=deploy)
        self.deploy = deploy
        self.implementation = 'fast'
        if not deploy:
            self.bn, self.norm = nn.BatchNorm2d(dim), nn.BatchNorm2d(dim)
            self.convs = nn.ModuleList(_depthwise(dim, *branch) for branch in BRANCHES[kernel])
            self.bns = nn.ModuleList(nn.BatchNorm2d(dim) for _ in BRANCHES[kernel])

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 3, 1, 2)
        if self.deploy:
            y = self.conv(x)
        elif self.implementation == 'fast' and not any(bn.training for bn in (self.bn, *self.bns, self.norm)):
            y = F.conv2d(x, *self.folded(), padding=self.conv.padding, groups=self.conv.groups)
        elif self.implementation == 'fast' and self._by_hand(x):
            y = self._normed_sum(x)
        else:
            y = self.bn(self.conv(x))
            for conv, bn in zip(self.convs, self.bns):
                y = y + bn(self._small(conv, x))
            y = self.norm(y)
        return y.permute(0, 2, 3, 1)

    def _small(self, conv: Any, x: Tensor) -> Tensor:
        if self.implementation == 'fast' and conv.kernel_size == (1, 1):
            # PyTorch convolves the channels of these one after another on a CPU.
            return x * conv.weight.view(-1, 1, 1).to(x.dtype)
        return conv(x)

    def _by_hand(self, x: Tensor) -> bool:
        """Whether all batch norms are plain ones that train: not what synchronises several devices, say."""
        plain = torch.compiler.is_compiling() or is_exporting() or autocasting(x.device)
        return not plain and all(
            type(bn) is nn.BatchNorm2d and bn.training and bn.track_running_stats and bn.momentum is not None
            for bn in (self.bn, *self.bns, self.norm)
        )

    def _normed_sum(self, x: Tensor) -> Tensor:
        """In training, with fewer operators and kept maps."""
        bns: list[Any] = [self.bn, *self.bns, self.norm]
        convs: list[Any] = [self.conv, *self.convs]
        point = convs.pop().weight.flatten() if convs[-1].kernel_size == (1, 1) else None
        norms = [Norm(bn.weight, bn.bias, bn.running_mean, bn.running_var, bn.momentum, bn.eps) for bn in bns]
        y = normed_sum(x, [conv(x) for conv in convs], point, norms)
        torch._foreach_add_([bn.num_batches_tracked for bn in bns], 1)
        return y

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the one convolution, by the running statistics, in their precision."""
        side = self.conv.kernel_size[0]
        scale, shift = _affine(self.bn)
        weight = self.conv.weight * scale
        for conv, bn in zip(self.convs, self.bns):
            own, offset = _affine(bn)
            weight = weight + _spread(conv, side) * own
            shift = shift + offset
        scale, offset = _affine(self.norm)
        return weight * scale, shift * scale.flatten() + offset

    def fuse(self) -> None:
        """Become the one convolution."""
        if self.deploy:
            return
        with torch.no_grad():
            weight, bias = self.folded()
            self.conv.weight.copy_(weight)
            self.conv.bias = nn.Parameter(bias)
        del self.bn, self.norm, self.convs, self.bns
        self.deploy = True


def _depthwise(dim: int, kernel: int, dilation: int = 1, bias: bool = False) -> nn.Conv2d:
    padding = (kernel - 1) * dilation // 2
    return nn.Conv2d(dim, dim, kernel, padding=padding, dilation=dilation, groups=dim, bias=bias)


def _affine(bn: Any) -> tuple[Tensor, Tensor]:
    """What a batch norm multiplies by, C×1×1×1, and adds, C."""
    scale = bn.weight * torch.rsqrt(bn.running_var + bn.eps)
    return scale.view(-1, 1, 1, 1), bn.bias - bn.running_mean * scale


def _spread(conv: Any, side: int) -> Tensor:
    """The weights of a dilated convolution in the middle of a kernel of side×side."""
    kernel, dilation = conv.kernel_size[0], conv.dilation[0]
    first = (side - (kernel - 1) * dilation - 1) // 2
    place = first + dilation * torch.arange(kernel, device=conv.weight.device)
    where = (torch.arange(side, device=conv.weight.device)[:, None] == place).to(conv.weight.dtype)
    return where @ conv.weight @ where.t()
