"""Branches that images skip in training."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DropPath(nn.Module):
    """By what a branch of each image is multiplied: B images → B×1×1×1, 1 / (1 − p) or, with probability p, 0.

    The numbers are made outside of the branch, so that blocks which differ in nothing else are one to a compiler.

    Args:
        drop_prob: p.
    """

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor | None:
        """None: all images keep it whole, as they do in evaluation."""
        if not self.drop_prob or not self.training:
            return None
        keep = 1 - self.drop_prob
        return torch.rand(len(x), 1, 1, 1, dtype=x.dtype, device=x.device).add_(keep).floor_().div_(keep)

    def extra_repr(self) -> str:
        return f'drop_prob={self.drop_prob}'


def plus(x: Tensor, branch: Tensor, kept: Tensor | None) -> Tensor:
    """x + branch · kept; None: it is kept."""
    return x + branch if kept is None else torch.addcmul(x, branch, kept)
