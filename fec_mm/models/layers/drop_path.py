"""Stochastic depth."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DropPath(nn.Module):
    """A residual branch that is left out for some samples in training, and divided by the share that stays.

    As mmcv has it, draw for draw, which the models then do not need.

    Args:
        drop_prob: The share of samples without the branch, below 1.
    """

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """B×… → the same shape."""
        if not self.training or self.drop_prob == 0:
            return x
        kept = 1 - self.drop_prob
        drawn = torch.rand((x.shape[0],) + (1,) * (x.ndim - 1), dtype=x.dtype, device=x.device)
        return x.div(kept) * (kept + drawn).floor()
