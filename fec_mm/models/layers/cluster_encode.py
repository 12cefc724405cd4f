"""Clustering-based feature encoding as a layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fec_mm.ops import encode, reference
from fec_mm.ops.clustering import encode_map
from fec_mm.ops.few_forward import Weights

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
        layer = Weights(
            self.f.weight, self.f.bias, self.v.weight, self.v.bias, self.proj.weight, self.proj.bias,
            self.alpha, self.beta, scale,
        )  # fmt: skip
        fast = self.implementation == 'fast'
        if fast and not self.tap.watched:
            return encode_map(x, layer, **self.settings)
        run = encode if fast else reference.encode
        y, ids = run(x, *layer[:-1], scale=scale, **self.settings)
        self.tap(ids)
        return y

    def extra_repr(self) -> str:
        return ', '.join(f'{key}={value!r}' for key, value in self.settings.items())
