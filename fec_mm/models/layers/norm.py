"""Normalisation of B×H×W×C maps."""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fec_mm.ops.regions import is_exporting


class GroupNorm(nn.GroupNorm):
    """Group norm with one group: each image over all its positions and channels, B×H×W×C in and out.

    Seen as B×C×H×W the map is in the channels-last memory format, for which PyTorch has kernels: nothing is copied.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(1, dim)

    def forward(self, x: Tensor) -> Tensor:
        # The first trainable layer behind frozen ones: there PyTorch's channels-last backward on the CPU, without a gradient
        # of the input to write, crashes the process (aten/src/ATen/native/cpu/group_norm_kernel.cpp, torch 2.13).
        crashes = torch.is_grad_enabled() and self.weight.requires_grad and not x.requires_grad
        # Inductor lays the output of group norm out channels first, and cannot order its strides where sizes are symbolic.
        compiling = torch.compiler.is_compiling() and not is_exporting()
        if crashes or compiling:
            y = F.layer_norm(x, x.shape[1:], eps=self.eps)
            return (y * self.weight + self.bias).to(y.dtype)
        return F.group_norm(x.permute(0, 3, 1, 2), 1, self.weight, self.bias, self.eps).permute(0, 2, 3, 1)
