"""What FEC and Context Cluster share: a stem, stages of clustering blocks, and something that halves the map between
stages.

Shapes: images B×3×H×W; inside, maps B×H×W×C; stage i ends at 1/2^(i+2) of the image's sides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from fec_mm.checkpoints.fitting import check_pretrained

from ..layers import ClusterBlock, EncodingLayer, GroupNorm, PointStem

MIN_SIZE = 32
MLP_RATIOS = (8, 8, 4, 4)

Arch = Mapping[str, Any]


class ClusterBackbone(BaseModule):
    """A backbone of clustering stages; see `FEC` and `ContextCluster` for the arguments."""

    arch_settings: dict[str, Arch]
    weighting: str

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
        super().__init__(init_cfg)
        settings = self._settings(arch, centers_per_side, regions_per_side)
        depths, dims = settings['depths'], settings['embed_dims']
        total = len(depths)
        indices = [out_indices] if isinstance(out_indices, int) else list(out_indices)
        if not indices or not all(-total <= i < total for i in indices):
            raise ValueError(f'out_indices={out_indices} must name some of the {total} stages, 0 to {total - 1}')
        self.out_indices = tuple(sorted({i % total for i in indices}))
        if not -1 <= frozen_stages <= total:
            raise ValueError(
                f'frozen_stages={frozen_stages} must be -1 (none), 0 (the stem), or up to {total} (all stages)'
            )
        if not 0 <= drop_path_rate < 1:
            raise ValueError(f'drop_path_rate={drop_path_rate} must be at least 0 and below 1')
        self.frozen_stages = frozen_stages
        self.with_cp = with_cp

        blocks = sum(depths)
        rates = iter([drop_path_rate * i / max(1, blocks - 1) for i in range(blocks)])
        self.stem = PointStem(in_channels, dims[0])
        self.stages = nn.ModuleList()
        self.downsamples = nn.ModuleList()
        # Stages behind the last output could never receive a gradient: they are not built.
        for i in range(self.out_indices[-1] + 1):
            if i:
                self.downsamples.append(self._downsample(dims[i - 1], dims[i], settings['regions_per_side'][i]))
            self.stages.append(
                nn.Sequential(
                    *(
                        ClusterBlock(
                            EncodingLayer(
                                dims[i],
                                settings['num_heads'][i],
                                settings['head_dims'][i],
                                settings['centers_per_side'][i],
                                settings['regions_per_side'][i],
                                self.weighting,
                            ),
                            dims[i],
                            settings['mlp_ratios'][i],
                            next(rates),
                            layer_scale_init_value,
                        )
                        for _ in range(depths[i])
                    )
                )
            )
        for i in self.out_indices:
            self.add_module(f'norm{i}', GroupNorm(dims[i]))
        self._freeze()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """B×3×H×W, both sides at least 32 → a tuple of B×C×H'×W' maps, one per output stage, each through its own
        norm."""
        if min(x.shape[-2:]) < MIN_SIZE:
            raise ValueError(
                f'{type(self).__name__} takes images of at least {MIN_SIZE}×{MIN_SIZE} pixels, '
                f'got {x.shape[-2]}×{x.shape[-1]}: resize or pad them'
            )
        x = self.stem(x)
        outputs = []
        for i, stage in enumerate(self.stages):
            if i:
                x = self.downsamples[i - 1](x)
            for block in stage.children():
                x = checkpoint(block, x, use_reentrant=False) if self.with_cp and x.requires_grad else block(x)
            if i in self.out_indices:
                # Contiguous: some of mmcv's operators read their input as if it were.
                outputs.append(getattr(self, f'norm{i}')(x).permute(0, 3, 1, 2).contiguous())
        return tuple(outputs)

    def init_weights(self) -> None:
        """As mmengine does, but a checkpoint of another model in `init_cfg` is an error.

        A classifier has the norm of its last stage only, and stages behind the last output are not built: either may
        miss what the other has of those.

        Raises:
            UserError: Naming the checkpoint.
        """
        if not self.is_init:
            check_pretrained(self, self.init_cfg, self._may_differ)
        super().init_weights()

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """How deep a parameter is, as mmpretrain's `LearningRateDecayOptimWrapperConstructor` asks.

        The stem is at depth 0 and the blocks count from 1. What halves the map before a stage is as deep as the stage's
        first block; the norms of the outputs, and whatever is outside of the backbone, are deepest, as the head is.

        Args:
            param_name: The parameter's name.
            prefix: The backbone's in it, such as `backbone.`.

        Returns:
            The depth, and the number of depths: that of the blocks and 2.
        """
        depths = [len(list(stage.children())) for stage in self.stages]
        total = sum(depths) + 2
        match = re.match(r'(stem|stages|downsamples)\.(?:(\d+)\.(\d+)?)?', param_name.removeprefix(prefix))
        if match is None or not param_name.startswith(prefix):
            return total - 1, total
        if match[1] == 'stem':
            return 0, total
        if match[1] == 'downsamples':
            return sum(depths[: int(match[2]) + 1]) + 1, total
        return sum(depths[: int(match[2])]) + int(match[3]) + 1, total

    def _may_differ(self, key: str) -> bool:
        match = re.match(r'(norm|stages\.|downsamples\.)(\d+)\.', key)
        built = {'norm': 0, 'stages.': len(self.stages), 'downsamples.': len(self.downsamples)}
        return match is not None and int(match[2]) >= built[match[1]]

    def train(self, mode: bool = True) -> ClusterBackbone:
        super().train(mode)
        for module in self._frozen_modules():
            module.eval()
        return self

    def _downsample(self, in_dim: int, dim: int, regions: int) -> nn.Module:
        """The layer before a stage, which halves the map's sides; `regions` are those of that stage."""
        raise NotImplementedError

    def _frozen_modules(self) -> list[nn.Module]:
        if self.frozen_stages < 0:
            return []
        frozen = [self.stem, *self.stages[: self.frozen_stages], *self.downsamples[: max(0, self.frozen_stages - 1)]]
        return frozen + [getattr(self, f'norm{i}') for i in self.out_indices if i < self.frozen_stages]

    def _freeze(self) -> None:
        for module in self._frozen_modules():
            module.requires_grad_(False)

    def _settings(
        self, arch: str | Arch, centers: Sequence[int] | None, regions: Sequence[int] | None
    ) -> dict[str, Any]:
        """The arch with what overrides it, checked."""
        name = type(self).__name__
        if isinstance(arch, str):
            if arch not in self.arch_settings:
                raise ValueError(
                    f"{name} has no arch '{arch}': choose one of {', '.join(self.arch_settings)}, or give a dict"
                )
            arch = self.arch_settings[arch]
        overrides = {'centers_per_side': centers, 'regions_per_side': regions}
        settings = {
            'mlp_ratios': MLP_RATIOS,
            **arch,
            **{key: value for key, value in overrides.items() if value is not None},
        }
        needed = {
            'depths',
            'embed_dims',
            'num_heads',
            'head_dims',
            'mlp_ratios',
            'centers_per_side',
            'regions_per_side',
        }
        if needed != set(settings):
            wrong = sorted(needed.symmetric_difference(settings))
            raise ValueError(f'{name}: an arch has {", ".join(sorted(needed))}; missing or unknown: {", ".join(wrong)}')
        total = len(settings['depths'])
        for key in sorted(needed):
            values = settings[key]
            if isinstance(values, (int, float, str)) or len(values) != total:
                raise ValueError(
                    f'{name}: {key}={values} must have one number per stage, {total} as in '
                    f'depths={list(settings["depths"])}'
                )
            if any(value < 1 or (value != int(value) and key != 'mlp_ratios') for value in values):
                raise ValueError(f'{name}: {key}={list(values)} must be whole numbers of at least 1')
        return settings
