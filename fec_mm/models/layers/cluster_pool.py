"""Clustering-based feature pooling as layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fec_mm.ops import pool, pool_near, reference

from .conv import StridedConv
from .norm import GroupNorm
from .pool_settings import PoolSettings
from .tap import AssignmentTap, ScoreTap

PUBLISHED = PoolSettings.of(None)


class Representatives(nn.Module):
    """The normalised representatives of a clustering-based pooling: B×H×W×C → B×ceil(H/2)×ceil(W/2)×C', any H and W.

    As published the similarity does not enter the pooled value, so that no gradient ever reaches its projection `f`: it
    stays what it was initialised to, and is frozen here. With `learn_similarity`, an extension of ours, it weights the
    positions of a cluster by sigmoid(β + α·cos), as Context Cluster does, and learns.

    Args:
        in_dim, dim: Channels before and after.
        regions: Regions per side that are clustered independently. Near candidates need none, and ignore it.
        settings: How it clusters. Default: as published.
    """

    def __init__(self, in_dim: int, dim: int, regions: int = 1, settings: PoolSettings = PUBLISHED) -> None:
        super().__init__()
        self.settings = settings
        self.near = settings.candidates == 'near'
        self.regions = 1 if self.near else regions
        learn = settings.learn_similarity
        self.f = nn.Linear(in_dim, dim).requires_grad_(learn)
        self.v = nn.Linear(in_dim, dim)
        self.alpha = nn.Parameter(torch.ones(1)) if learn else None
        self.beta = nn.Parameter(torch.zeros(1)) if learn else None
        self.norm = GroupNorm(dim)
        self.tap = AssignmentTap()
        self.scores = ScoreTap(settings.compactness) if self.near else None
        self.implementation = 'fast'

    def forward(self, x: Tensor) -> Tensor:
        weights = self.f.weight, self.f.bias, self.v.weight, self.v.bias, self.alpha, self.beta
        fast = self.implementation == 'fast'
        if self.scores is None:
            y, ids = (pool if fast else reference.pool)(x, *weights, regions=self.regions)
        else:
            run, settings = pool_near if fast else reference.pool_near, self.settings
            y, ids, centers = run(x, *weights, compactness=settings.compactness, iterations=settings.iterations)
            self.scores(x, centers, self.f)
        self.tap(ids)
        return self.norm(y)

    def extra_repr(self) -> str:
        return f'regions={self.regions}, {self.settings}'


class PoolingLayer(Representatives):
    """Clustering-based feature pooling: a strided convolution plus the representatives; arguments as of
    `Representatives`."""

    def __init__(self, in_dim: int, dim: int, regions: int = 1, settings: PoolSettings = PUBLISHED) -> None:
        super().__init__(in_dim, dim, regions, settings)
        self.skip = StridedConv(in_dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + super().forward(x)


class ClusterMean(nn.Module):
    """Clustering-based pooling without parameters: positions are compared as they are, and a cluster is the mean of its
    positions and its center. B×H×W×C → B×ceil(H/2)×ceil(W/2)×C."""

    def __init__(self) -> None:
        super().__init__()
        self.tap = AssignmentTap()

    def forward(self, x: Tensor) -> Tensor:
        identity, zero = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device), x.new_zeros(x.shape[-1])
        y, ids = pool(x, identity, zero, identity, zero)
        self.tap(ids)
        return y
