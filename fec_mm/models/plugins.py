"""The clustering layers by name, for other backbones: channels first, and with the arguments that those give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fec_mm.registry import MODELS

from .layers import EncodingLayer, GroupNorm, PoolingLayer, PoolSettings
from .layers.block import through_scaled


def at_least_1(name: str, **settings: int) -> None:
    """Raise a ValueError that names the first setting that is not a whole number of at least 1."""
    for key, value in settings.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f'{name}: {key}={value!r} must be a whole number of at least 1')


@MODELS.register_module()
class ClusterEncode(nn.Module):
    """x + ls ⊙ Encode(GN(x)), B×C×H×W → B×C×H×W: an entry of `plugins` of mmdet's and mmseg's ResNet.

    Args:
        in_channels: C; the ResNet gives it.
        num_heads: Heads that are clustered independently.
        head_dim: Channels per head.
        centers_per_side: Centers per side and region.
        regions_per_side: Regions per side that are clustered independently.
        layer_scale_init_value: Initial ls.
    """

    _abbr_ = 'cluster_encode'

    def __init__(
        self,
        in_channels: int,
        num_heads: int = 4,
        head_dim: int = 32,
        centers_per_side: int = 4,
        regions_per_side: int = 1,
        layer_scale_init_value: float = 1e-5,
    ) -> None:
        super().__init__()
        at_least_1(
            'ClusterEncode',
            num_heads=num_heads,
            head_dim=head_dim,
            centers_per_side=centers_per_side,
            regions_per_side=regions_per_side,
        )
        self.norm = GroupNorm(in_channels)
        self.mixer = EncodingLayer(in_channels, num_heads, head_dim, centers_per_side, regions_per_side)
        self.layer_scale = nn.Parameter(torch.full((in_channels,), layer_scale_init_value))

    def forward(self, x: Tensor) -> Tensor:
        rows = x.permute(0, 2, 3, 1).contiguous()
        return x + through_scaled(self.mixer, self.norm(rows), self.layer_scale).permute(0, 3, 1, 2)


@MODELS.register_module()
class ClusterPool(nn.Module):
    """Clustering-based pooling in place of a strided convolution, or of Swin's patch merging.

    Args:
        in_channels, out_channels: Channels before and after.
        regions_per_side: Regions per side that are clustered independently.
        learn_similarity: Whether the similarity weights positions, and learns; see `Representatives`.
        pool: How it clusters, as of `FEC`. Default: as published.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        regions_per_side: int = 1,
        learn_similarity: bool = False,
        pool: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        at_least_1('ClusterPool', regions_per_side=regions_per_side)
        self.out_channels = out_channels  # Swin asks
        self.pool = PoolingLayer(in_channels, out_channels, regions_per_side, PoolSettings.of(pool, learn_similarity))

    def forward(self, x: Tensor, size: Sequence[int] | None = None) -> Tensor | tuple[Tensor, tuple[int, int]]:
        """B×C×H×W → B×C'×ceil(H/2)×ceil(W/2); or B×(H·W)×C and (H, W) → tokens and their size."""
        if size is None:
            return self.pool(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous()
        y = self.pool(x.unflatten(1, tuple(size)))
        return y.flatten(1, 2), (y.shape[1], y.shape[2])
