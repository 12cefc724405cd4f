"""EnFormer: Deep Ensemble Clustering for Visual Representation Learning (ICML 2026)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from fec_mm.registry import MODELS

from ..layers import BranchedMLP, ClusterEnsemble, EnsembleBlock, NormedConv, OverlapStem
from ..layers.init import truncated_normal
from .arch_settings import Arch, stage_settings
from .staged_backbone import StagedBackbone

EPS = 1e-6  # of every LayerNorm
Centers = Sequence[Sequence[int] | int]
# Centers per side of the fuzzy and the partitional clustering by stage, and agents per side of the first two stages.
TASKS: dict[str, tuple[Centers, int]] = {
    'classification': (((6, 5), (5, 4), (4, 3), (3, 2)), 14),
    'segmentation': (((12, 12),) * 4, 32),
    'detection': (((12, 10),) * 4, 40),
}


@MODELS.register_module()
class EnFormer(StagedBackbone):
    """EnFormer, *Deep Ensemble Clustering for Visual Representation Learning*.

    Two clusterings, a fuzzy and a partitional one, and the consensus of their representatives mix positions. In
    training the partitional choice has Gumbel noise from torch's generator; in evaluation it has none.

    Args:
        arch: 'small', 'base' or 'large', or a dict of `depths`, `embed_dims`, `num_heads`, `head_dims`, `kernel_sizes`
            (3, 5 or 7, of the depthwise convolutions) and, if not 4, `mlp_ratios`: one number per stage each.
        task: Whose published centers and agents it has: 'classification', 'segmentation' or 'detection'. Default:
            'classification'.
        centers_per_side: Centers per side of the two clusterings of each stage, such as ((6, 5), (5, 4), (4, 3), (3,
            2)); one number means both. Default: the task's.
        agents_per_side: Agents per side that positions are averaged to, one number per stage, 0 where they are not; one
            number alone is that of the first two stages. Default: the task's.
        gap_before_final_norm: Whether each output is averaged over the positions before its norm, and returned as B×C,
            as of mmpretrain's ConvNeXt. The published classifiers are. Default: False.
        deploy: Whether it is built as `fec_mm.apis.fuse` leaves it: depthwise branches, batch norms and layer scales
            folded. Default: False.
        layer_scale_init_value: Initial layer scale. Default: 1e-6.
        in_channels, out_indices, drop_path_rate, frozen_stages, with_cp, init_cfg: As of `FEC`; the norms are
            LayerNorms.
    """

    tasks = tuple(TASKS)
    per_stage = ('depths', 'embed_dims', 'num_heads', 'head_dims', 'mlp_ratios', 'kernel_sizes', 'centers_per_side')
    arch_settings = {
        name: dict(depths=depths, embed_dims=dims, num_heads=heads, head_dims=head_dims, kernel_sizes=kernels)
        for name, depths, dims, heads, head_dims, kernels in [
            ('small', (2, 2, 10, 4), (40, 80, 160, 320), (1, 2, 4, 8), (20, 20, 20, 20), (3, 3, 3, 3)),
            ('base', (2, 2, 6, 2), (64, 128, 320, 512), (1, 2, 5, 8), (32, 32, 32, 32), (3, 3, 5, 5)),
            ('large', (2, 3, 14, 4), (64, 128, 320, 512), (1, 2, 5, 8), (32, 32, 32, 32), (3, 5, 7, 7)),
        ]
    }

    def __init__(
        self,
        arch: str | Arch,
        task: str = 'classification',
        centers_per_side: Centers | None = None,
        agents_per_side: int | Sequence[int] | None = None,
        gap_before_final_norm: bool = False,
        deploy: bool = False,
        layer_scale_init_value: float = 1e-6,
        in_channels: int = 3,
        out_indices: int | Sequence[int] = -1,
        drop_path_rate: float = 0.0,
        frozen_stages: int = -1,
        with_cp: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        if task not in TASKS:
            raise ValueError(f"EnFormer has no task '{task}': choose one of {', '.join(TASKS)}")
        centers, agents = TASKS[task]
        settings = stage_settings(
            'EnFormer',
            arch,
            self.arch_settings,
            self.per_stage,
            {'mlp_ratios': (4, 4, 4, 4), 'centers_per_side': centers, 'agents_per_side': agents},
            {'centers_per_side': centers_per_side, 'agents_per_side': agents_per_side},
        )
        settings['agents_per_side'] = _agents(settings['agents_per_side'], len(settings['depths']))
        settings['centers_per_side'] = [_pair(pair) for pair in settings['centers_per_side']]
        if not {*settings['kernel_sizes']} <= {3, 5, 7}:
            raise ValueError(f'EnFormer: kernel_sizes={list(settings["kernel_sizes"])} must be 3, 5 or 7')
        self.gap_before_final_norm = gap_before_final_norm
        self.deploy = deploy
        self.layer_scale = None if deploy else layer_scale_init_value
        super().__init__(settings, in_channels, out_indices, drop_path_rate, frozen_stages, with_cp, init_cfg)
        self.apply(truncated_normal)

    def _stem(self, settings: dict[str, Any], in_channels: int) -> nn.Module:
        return OverlapStem(in_channels, settings['embed_dims'][0], EPS)

    def _block(self, settings: dict[str, Any], stage: int, number: int, drop_path: float) -> nn.Module:
        dim, heads, head_dim, ratio, kernel, centers = (settings[key][stage] for key in self.per_stage[1:])
        mixer = ClusterEnsemble(dim, heads, head_dim, centers, settings['agents_per_side'][stage])
        mlp = BranchedMLP(dim, int(dim * ratio), kernel, self.deploy)
        return EnsembleBlock((self._norm(dim), self._norm(dim)), mixer, mlp, dim, drop_path, self.layer_scale)

    def _halving(self, settings: dict[str, Any], stage: int) -> nn.Module:
        dims = settings['embed_dims']
        return NormedConv(dims[stage - 1], dims[stage], EPS)

    def _norm(self, dim: int) -> nn.Module:
        return nn.LayerNorm(dim, EPS)

    def _of_any_length(self, key: str) -> bool:
        return re.fullmatch(r'stages\.\d+\.\d+\.mixer\.(fuzzy|hard|consensus)\.(alpha|beta)', key) is not None

    def _output(self, norm: nn.Module, x: Tensor) -> Tensor:
        return norm(x.mean((1, 2))) if self.gap_before_final_norm else super()._output(norm, x)


def _pair(centers: Sequence[int] | int) -> tuple[int, int]:
    """Centers of the fuzzy and of the partitional clustering."""
    pair = (centers, centers) if isinstance(centers, int) else tuple(centers)
    if len(pair) != 2:
        raise ValueError(f'EnFormer: centers_per_side has {pair} for a stage: give one number, or one per clustering')
    return pair[0], pair[1]


def _agents(agents: int | Sequence[int | None], stages: int) -> list[int]:
    """Agents per side of each stage."""
    each = [agents if i < 2 else 0 for i in range(stages)] if isinstance(agents, int) else [a or 0 for a in agents]
    if len(each) != stages or any(a < 0 or a != int(a) for a in each):
        raise ValueError(
            f'EnFormer: agents_per_side={agents} must be one whole number, for the first two stages, or one per stage, '
            f'{stages}; 0 where there are none'
        )
    return each
