"""CLUENet: Cluster Attention Makes Neural Networks Have Eyes (AAAI 2026)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from fec_mm.registry import MODELS

from ..layers import ClusterAttention, ConvMLP, LearntPool, NormedStem, SharingBlock
from ..layers.init import by_fan_out, truncated_normal
from .arch_settings import Arch, stage_settings
from .cluster_backbone import MLP_RATIOS
from .staged_backbone import StagedBackbone

SMALL_IMAGES: dict[str, Any] = dict(stem_stride=1, pool_norm=True, centers_per_side=(4, 4, 4, 4))


@MODELS.register_module()
class CLUENet(StagedBackbone):
    """CLUENet, `Cluster Attention Makes Neural Networks Have Eyes <https://arxiv.org/abs/2512.06345>`_.

    Centers attend to all positions, and positions take their most similar center's value. The first block of a stage
    chooses for all of its blocks. Maps are halved by a clustering-based pooling whose similarity learns.

    Args:
        arch: 'mini', 'mini-cifar' (for images of 32×32), 'tiny', 'small' or 'base', or a dict of `depths`,
            `embed_dims`, `num_heads`, `head_dims` and, if not 7, `centers_per_side`, if not (8, 8, 4, 4), `mlp_ratios`:
            one number per stage each. `stem_stride` (1: a 3×3 convolution; default: 4) and `pool_norm` (whether the
            pooled representatives pass a norm; default: False) are one for all.
        centers_per_side: Centers per side of each stage. Default: the arch's.
        in_channels, out_indices, drop_path_rate, frozen_stages, with_cp, init_cfg: As of `FEC`; the norms are
            LayerNorms.
    """

    per_stage = ('depths', 'embed_dims', 'num_heads', 'head_dims', 'mlp_ratios', 'centers_per_side')
    arch_settings = {
        name: dict(depths=depths, embed_dims=dims, num_heads=heads, head_dims=head_dims, **others)
        for name, depths, dims, heads, head_dims, others in [
            ('mini', (2, 2, 2, 2), (32, 64, 160, 256), (1, 2, 5, 8), (32, 32, 32, 32), dict(pool_norm=True)),
            ('mini-cifar', (2, 2, 2, 2), (32, 64, 160, 256), (1, 2, 5, 8), (32, 32, 32, 32), SMALL_IMAGES),
            ('tiny', (3, 4, 5, 2), (32, 64, 196, 320), (4, 4, 8, 8), (24, 24, 24, 24), {}),
            ('small', (2, 2, 6, 2), (64, 128, 320, 512), (4, 4, 8, 8), (32, 32, 32, 32), {}),
            ('base', (4, 4, 12, 4), (64, 128, 320, 512), (6, 6, 12, 12), (32, 32, 32, 32), {}),
        ]
    }

    def __init__(
        self,
        arch: str | Arch,
        centers_per_side: Sequence[int] | None = None,
        in_channels: int = 3,
        out_indices: int | Sequence[int] = -1,
        drop_path_rate: float = 0.0,
        frozen_stages: int = -1,
        with_cp: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        settings = stage_settings(
            'CLUENet',
            arch,
            self.arch_settings,
            self.per_stage,
            {'mlp_ratios': MLP_RATIOS, 'centers_per_side': (7, 7, 7, 7), 'stem_stride': 4, 'pool_norm': False},
            {'centers_per_side': centers_per_side},
        )
        if settings['stem_stride'] not in (1, 4):
            raise ValueError(f'CLUENet: stem_stride={settings["stem_stride"]} must be 1 or 4')
        super().__init__(settings, in_channels, out_indices, drop_path_rate, frozen_stages, with_cp, init_cfg)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                by_fan_out(module)

    def _stem(self, settings: dict[str, Any], in_channels: int) -> nn.Module:
        return NormedStem(in_channels, settings['embed_dims'][0], settings['stem_stride'])

    def _block(self, settings: dict[str, Any], stage: int, number: int, drop_path: float) -> nn.Module:
        dim, heads, head_dim, ratio, centers = (settings[key][stage] for key in self.per_stage[1:])
        mixer = ClusterAttention(dim, heads, head_dim, centers, chooses=number == 0)
        mlp = ConvMLP(dim, int(dim * ratio)).apply(truncated_normal)
        return SharingBlock((self._norm(dim), self._norm(dim)), mixer, mlp, dim, drop_path, None)

    def _halving(self, settings: dict[str, Any], stage: int) -> nn.Module:
        dims = settings['embed_dims']
        return LearntPool(dims[stage - 1], dims[stage], settings['pool_norm'])

    def _norm(self, dim: int) -> nn.Module:
        return nn.LayerNorm(dim)

    def _through(self, stage: nn.Module, x: Tensor) -> Tensor:
        chosen = None
        for block in stage.children():
            x, chosen = self._run(block, x, chosen)
        return x
