"""The way back from representatives to positions, as a layer between two maps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fec_mm.ops import cell_means, dispatch, most_similar

from .tap import AssignmentTap


class ClusterDispatch(nn.Module):
    """Each position of a finer map receives a representative's feature, a coarser map's, scaled by their similarity.

    Each representative is compared by the mean feature of the finer positions in its cell, as the paper's centers are
    (Sec. 3.2), so that the choice means something before anything is learnt.
    Channels first, as necks are, any two sizes: features to compare B×C×H×W, the map to add to B×C'×H×W,
        representatives
    B×C'×h×w → B×C'×H×W.

    Args:
        in_dim: C, channels of the finer map, which is only compared.
        near: Whether the candidates are the coarse cell that a position lies in and its eight neighbours, or all.
        head_dim: Channels in which they are compared.
    """

    def __init__(self, in_dim: int, near: bool = True, head_dim: int = 32) -> None:
        super().__init__()
        self.near = near
        self.f = nn.Conv2d(in_dim, head_dim, 1)
        self.alpha = nn.Parameter(torch.ones(1))
        self.beta = nn.Parameter(torch.zeros(1))
        self.tap = AssignmentTap()

    def forward(self, features: Tensor, x: Tensor, representatives: Tensor) -> Tensor:
        f = self.f(features).permute(0, 2, 3, 1).contiguous()
        h, w = representatives.shape[2:]
        index, similarity = most_similar(f, cell_means(f, (h, w)), self.alpha, self.beta, near=self.near)
        self.tap(index[:, None])
        return dispatch(x, representatives, index, similarity)

    def extra_repr(self) -> str:
        return f'near={self.near}'
