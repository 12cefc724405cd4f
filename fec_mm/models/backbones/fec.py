"""FEC: Neural Clustering based Visual Representation Learning (CVPR 2024)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from fec_mm.registry import MODELS

from ..layers import PoolingLayer, PoolSettings
from .arch_settings import Arch
from .cluster_backbone import ClusterBackbone


@MODELS.register_module()
class FEC(ClusterBackbone):
    """FEC, `Neural Clustering based Visual Representation Learning <https://arxiv.org/abs/2403.17409>`_.

    Args:
        arch: 'small', 'base' or 'large', or a dict of `depths`, `embed_dims`, `num_heads`, `head_dims`,
            `centers_per_side`, `regions_per_side` and, if not (8, 8, 4, 4), `mlp_ratios`: one number per stage each.
        centers_per_side: Centers per side and region of each stage's encoding layers. Default: the arch's; the
            published ones are (4, 4, 2, 2) for classification, (10, 10, 5, 5) for segmentation, (7, 7, 7, 7) for
            detection.
        regions_per_side: Regions per side that each stage, and the pooling before it, clusters independently. The
            published ones are all 1, and (2, 2, 1, 1) for detection.
        in_channels: Channels of the images.
        out_indices: The stages whose outputs are returned, each through its own GroupNorm. Stages behind the last of
            them are not built.
        drop_path_rate: Stochastic depth of the last block; the rate grows linearly from 0.
        layer_scale_init_value: Initial layer scale.
        frozen_stages: 0 freezes the stem, k the stem and the first k stages, -1 nothing.
        with_cp: Recompute the blocks' activations in the backward pass to save memory.
        init_cfg: mmengine's initialisation config.
        pool: How the pooling layers cluster, an extension of ours: a dict of `candidates`, `learn_similarity`,
            `compactness` and `iterations`, see `PoolSettings`. Default: as published.
        learn_similarity: Whether the pooling layers weight positions by their similarity, an extension of ours. As
            published, their similarity projections (`downsamples.*.f`) never receive a gradient, and are frozen: see
            `Representatives`.
    """

    weighting = 'count'
    arch_settings = {
        name: dict(
            depths=depths,
            embed_dims=dims,
            num_heads=heads,
            head_dims=head_dims,
            centers_per_side=(4, 4, 2, 2),
            regions_per_side=(1, 1, 1, 1),
        )
        for name, depths, dims, heads, head_dims in [
            ('small', (3, 4, 5, 2), (32, 64, 196, 320), (4, 4, 8, 8), (24, 24, 24, 24)),
            ('base', (2, 2, 6, 2), (64, 128, 320, 512), (4, 4, 8, 8), (32, 32, 32, 32)),
            ('large', (4, 4, 12, 4), (64, 128, 320, 512), (6, 6, 12, 12), (32, 32, 32, 32)),
        ]
    }

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
        *,
        pool: Mapping[str, Any] | None = None,
        learn_similarity: bool = False,
    ) -> None:
        self.pool = PoolSettings.of(pool, learn_similarity)  # first, as it is needed to build the layers
        super().__init__(
            arch,
            centers_per_side,
            regions_per_side,
            in_channels,
            out_indices,
            drop_path_rate,
            layer_scale_init_value,
            frozen_stages,
            with_cp,
            init_cfg,
        )

    def _downsample(self, in_dim: int, dim: int, regions: int) -> nn.Module:
        return PoolingLayer(in_dim, dim, regions, self.pool)
