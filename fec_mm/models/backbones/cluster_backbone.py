"""What FEC and Context Cluster share: clustering-based encoding in every block, and GroupNorm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from ..layers import ClusterBlock, EncodingLayer, GroupNorm, PointStem
from .arch_settings import Arch, stage_settings
from .staged_backbone import StagedBackbone

MLP_RATIOS = (8, 8, 4, 4)


class ClusterBackbone(StagedBackbone):
    """A backbone of clustering stages; see `FEC` and `ContextCluster` for the arguments."""

    weighting: str
    per_stage = (
        'depths',
        'embed_dims',
        'num_heads',
        'head_dims',
        'mlp_ratios',
        'centers_per_side',
        'regions_per_side',
    )

    def __init__(
        self,
        arch: str | Arch,
        centers_per_side: Sequence[int] | None = None,
        regions_per_side: Sequence[int] | None = None,
        in_channels: int = 3,
        out_indices: int | Sequence[int] = -1,
        drop_path_rate: float = 0.0,
        layer_scale_init_value: float = 1e-5,
        frozen_stages: int = -1,
        with_cp: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        settings = stage_settings(
            type(self).__name__,
            arch,
            self.arch_settings,
            self.per_stage,
            {'mlp_ratios': MLP_RATIOS},
            {'centers_per_side': centers_per_side, 'regions_per_side': regions_per_side},
        )
        self.layer_scale = layer_scale_init_value
        super().__init__(settings, in_channels, out_indices, drop_path_rate, frozen_stages, with_cp, init_cfg)

    def _stem(self, settings: dict[str, Any], in_channels: int) -> nn.Module:
        return PointStem(in_channels, settings['embed_dims'][0])

    def _block(self, settings: dict[str, Any], stage: int, number: int, drop_path: float) -> nn.Module:
        dim, heads, head_dim, ratio, centers, regions = (settings[key][stage] for key in self.per_stage[1:])
        mixer = EncodingLayer(dim, heads, head_dim, centers, regions, self.weighting)
        return ClusterBlock(mixer, dim, ratio, drop_path, self.layer_scale)

    def _halving(self, settings: dict[str, Any], stage: int) -> nn.Module:
        dims = settings['embed_dims']
        return self._downsample(dims[stage - 1], dims[stage], settings['regions_per_side'][stage])

    def _norm(self, dim: int) -> nn.Module:
        return GroupNorm(dim)

    def _downsample(self, in_dim: int, dim: int, regions: int) -> nn.Module:
        """The layer before a stage, which halves the map's sides; `regions` are those of that stage."""
        raise NotImplementedError
