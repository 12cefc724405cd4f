"""Clustering-based feature encoding as a layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fec_mm.ops import encode, reference
from fec_mm.ops.linear import scaled

from .tap import AssignmentTap


class EncodingLayer(nn.Module):
    """Clustering-based feature encoding: B×H×W×C → B×H×W×C, any H and W.

    Args:
        dim: Channels.
        heads: Heads that are clustered independently.
        head_dim: Channels per head.
        centers: Centers per side and region.
        regions: Regions per side that are clustered independently.
        weighting: 'count' (FEC) or 'similarity' (Context Cluster), see `fec_mm.ops.encode`.
    """

    def __init__(
        self, dim: int, heads: int, head_dim: int, centers: int, regions: int = 1, weighting: str = 'count'
    ) -> None:
        super().__init__()
        self.settings: dict[str, Any] = dict(heads=heads, centers=centers, regions=regions, weighting=weighting)
        self.f = nn.Linear(dim, heads * head_dim)
        self.v = nn.Linear(dim, heads * head_dim)
        self.proj = nn.Linear(heads * head_dim, dim)
        self.alpha = nn.Parameter(torch.ones(1))
        self.beta = nn.Parameter(torch.zeros(1))
        self.tap = AssignmentTap()
        self.implementation = 'fast'

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """The encoded map; `scale`, one number per channel, multiplies it."""
        run = encode if self.implementation == 'fast' else reference.encode
        weight, bias = scaled(self.proj.weight, self.proj.bias, scale)
        y, ids = run(
            x,
            self.f.weight,
            self.f.bias,
            self.v.weight,
            self.v.bias,
            weight,
            bias,
            self.alpha,
            self.beta,
            **self.settings,
        )
        self.tap(ids)
        return y

    def extra_repr(self) -> str:
        return ', '.join(f'{key}={value!r}' for key, value in self.settings.items())
