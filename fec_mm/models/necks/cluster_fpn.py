"""A feature pyramid whose coarser levels are representatives of the finer ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from fec_mm.registry import MODELS

from ..layers import ClusterDispatch, ClusterMean, PoolSettings, Representatives

TOOLBOXES = ('mmdet', 'mmseg')


@MODELS.register_module()
class ClusterFPN(BaseModule):
    """FPN with the paper's dispatch in place of the nearest-neighbour copy; see docs/necks.md.

    Top-down, the positions of the coarser level are representatives: each finer position is compared with the means of
    their cells, and takes the feature of the most similar one, scaled by sigmoid(β + α·cos). Extra coarser levels come
    from clustering-based pooling, whose representatives are added to the convolutions that FPN may have for them; where
    FPN takes every other position, they are clusters' means.

    Args:
        *args, **kwargs: Those of the toolbox's own FPN, mmdet's or mmseg's by the default scope, which parses them and
            makes the convolutions. Parameters have the same names, so that an FPN's checkpoint loads.
        candidates: Which representatives a position chooses from: 'near', the coarse cell it lies in and its eight
            neighbours; 'all'; or None: no similarity, exactly FPN.
        pool: How the pooling of extra levels clusters, as of `FEC`. Default: as published.
    """

    def __init__(
        self, *args: Any, candidates: str | None = 'near', pool: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        if candidates not in ('near', 'all', None):
            raise ValueError(f"ClusterFPN: candidates={candidates!r} must be 'near', 'all' or None")
        settings = PoolSettings.of(pool)
        fpn = _toolbox_fpn()(*args, **kwargs)
        super().__init__(fpn.init_cfg)
        self.lateral_convs: nn.ModuleList = fpn.lateral_convs
        self.fpn_convs: nn.ModuleList = fpn.fpn_convs
        self.in_channels, self.out_channels, self.num_outs = fpn.in_channels, fpn.out_channels, fpn.num_outs
        self.add_extra_convs, self.relu_before_extra_convs = fpn.add_extra_convs, fpn.relu_before_extra_convs
        self.upsample_cfg = fpn.upsample_cfg
        levels = len(self.lateral_convs)
        self.levels = slice(fpn.start_level, fpn.start_level + levels)
        self.dispatches, self.pools = nn.ModuleList(), nn.ModuleList()
        if pool is not None and (candidates is None or not self.add_extra_convs or self.num_outs == levels):
            raise ValueError(
                f'ClusterFPN: pool={pool} has no effect without candidates, add_extra_convs and extra levels: '
                'leave it out'
            )
        if candidates is None:
            return
        if self.upsample_cfg != dict(mode='nearest'):
            raise ValueError(
                f'ClusterFPN: upsample_cfg={self.upsample_cfg} has no effect, as the similarity decides what is '
                'copied: leave it out, or set candidates=None'
            )
        for in_channels in self.in_channels[self.levels][:-1]:
            self.dispatches.append(ClusterDispatch(in_channels, near=candidates == 'near'))
        for i in range(levels, self.num_outs):
            self.pools.append(
                Representatives(self.fpn_convs[i].in_channels, self.out_channels, settings=settings)
                if self.add_extra_convs
                else ClusterMean()
            )

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """B×C×H×W maps of all levels of the backbone → `num_outs` maps B×out_channels×H×W, from the finest to the
        coarsest."""
        if len(inputs) != len(self.in_channels):
            raise ValueError(f'ClusterFPN has in_channels={self.in_channels}, one per map, and got {len(inputs)} maps')
        inputs = inputs[self.levels]
        laterals = [conv(x) for conv, x in zip(self.lateral_convs, inputs)]
        for i in reversed(range(len(laterals) - 1)):
            if self.dispatches:
                laterals[i] = self.dispatches[i](inputs[i], laterals[i], laterals[i + 1])
            else:
                laterals[i] = laterals[i] + self._interpolate(laterals[i + 1], laterals[i])
        outs = [conv(x) for conv, x in zip(self.fpn_convs, laterals)]
        sources = {'on_input': inputs[-1], 'on_lateral': laterals[-1], 'on_output': outs[-1]}
        for i in range(len(laterals), self.num_outs):
            x = outs[-1]
            if self.add_extra_convs and i == len(laterals):
                x = sources[self.add_extra_convs]
            elif self.add_extra_convs and self.relu_before_extra_convs:
                x = F.relu(x)
            parts = [self.fpn_convs[i](x)] if self.add_extra_convs else []
            if self.pools:
                # Contiguous: some of mmcv's operators read their input as if it were.
                parts.append(self.pools[i - len(laterals)](x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous())
            elif not self.add_extra_convs:
                parts.append(F.max_pool2d(x, 1, stride=2))
            outs.append(sum(parts[1:], parts[0]))
        return tuple(outs)

    def _interpolate(self, x: Tensor, like: Tensor) -> Tensor:
        """As FPN does."""
        size: dict[str, Any] = {} if 'scale_factor' in self.upsample_cfg else dict(size=like.shape[2:])
        return F.interpolate(x, **size, **self.upsample_cfg)


def _toolbox_fpn() -> Any:
    """The class FPN of the default scope, or of the first toolbox that is installed.

    Raises:
        ImportError: Neither is.
    """
    scope = DefaultScope.get_current_instance()
    first = [scope.scope_name] if scope is not None and scope.scope_name in TOOLBOXES else []
    for toolbox in [*first, *TOOLBOXES]:
        try:
            return import_module(f'{toolbox}.models.necks').FPN
        except ModuleNotFoundError as error:
            if error.name != toolbox:
                raise
    raise ImportError('ClusterFPN builds on the FPN of mmdet or mmseg, and neither is installed: see requirements.txt')
