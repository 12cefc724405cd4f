"""Clustering-based feature pooling as a layer."""
from __future__ import annotations

from torch import Tensor, nn

from fec_mm.ops import pool, reference

from .conv import StridedConv
from .norm import GroupNorm
from .tap import AssignmentTap


class ClusterPool(nn.Module):
    """Clustering-based feature pooling: B×H×W×C → B×ceil(H/2)×ceil(W/2)×C', any H and W.

    The similarity does not enter the pooled value, so that no gradient ever reaches its projection `f`: as in the published
    models it stays what it was initialised to, and is frozen here.

    Args:
        in_dim, dim: Channels before and after.
        regions: Regions per side that are clustered independently.
    """

    def __init__(self, in_dim: int, dim: int, regions: int = 1) -> None:
        super().__init__()
        self.regions = regions
        self.f = nn.Linear(in_dim, dim).requires_grad_(False)
        self.v = nn.Linear(in_dim, dim)
        self.skip = StridedConv(in_dim, dim)
        self.norm = GroupNorm(dim)
        self.tap = AssignmentTap()
        self.implementation = 'fast'

    def forward(self, x: Tensor) -> Tensor:
        run = pool if self.implementation == 'fast' else reference.pool
        y, ids = run(x, self.f.weight, self.f.bias, self.v.weight, self.v.bias, regions=self.regions)
        self.tap(ids)
        return self.skip(x) + self.norm(y)

    def extra_repr(self) -> str:
        return f'regions={self.regions}'
