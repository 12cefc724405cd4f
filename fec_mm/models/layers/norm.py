"""Normalisation of B×H×W×C maps."""
import torch.nn.functional as F
from torch import Tensor, nn


class GroupNorm(nn.GroupNorm):
    """Group norm with one group: each image over all its positions and channels, B×H×W×C in and out.

    Seen as B×C×H×W the map is in the channels-last memory format, for which PyTorch has kernels: nothing is copied.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(1, dim)

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x.permute(0, 3, 1, 2), 1, self.weight, self.bias, self.eps).permute(0, 2, 3, 1)
