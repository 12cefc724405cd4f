"""What all clustering backbones share: a stem, stages of blocks, and something that halves the map between stages.

Shapes: images B×3×H×W; inside, maps B×H×W×C; stage i halves the stem's map i times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from fec_mm.checkpoints.fitting import check_pretrained

from .arch_settings import Arch

MIN_SIZE = 32


class StagedBackbone(BaseModule):
    """A backbone of stages. A family says what its stem, blocks, norms and halvings are.

    Args:
        settings: Of the stages; `depths` and `embed_dims`, and what the family's blocks need.
        in_channels: Channels of the images.
        out_indices: The stages whose outputs are returned, each through its own norm. Stages behind the last of them
            are not built. Default: the last.
        drop_path_rate: Stochastic depth of the last block; the rate grows linearly from 0. Default: 0.
        frozen_stages: 0 freezes the stem, k the stem and the first k stages, -1 nothing. Default: -1.
        with_cp: Recompute the blocks' activations in the backward pass to save memory. Default: False.
        init_cfg: mmengine's initialisation config. Default: None.

    Attributes:
        out_channels: Of the outputs, one number each.
    """

    arch_settings: dict[str, Arch]

    def __init__(
        self,
        settings: dict[str, Any],
        in_channels: int = 3,
        out_indices: int | Sequence[int] = -1,
        drop_path_rate: float = 0.0,
        frozen_stages: int = -1,
        with_cp: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
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
        self.out_channels = [int(dims[i]) for i in self.out_indices]
        self.frozen_stages = frozen_stages
        self.with_cp = with_cp

        blocks = sum(depths)
        rates = iter([drop_path_rate * i / max(1, blocks - 1) for i in range(blocks)])
        self.stem = self._stem(settings, in_channels)
        self.stages = nn.ModuleList()
        self.downsamples = nn.ModuleList()
        # Stages behind the last output could never receive a gradient: they are not built.
        for i in range(self.out_indices[-1] + 1):
            if i:
                self.downsamples.append(self._halving(settings, i))
            self.stages.append(nn.Sequential(*(self._block(settings, i, k, next(rates)) for k in range(depths[i]))))
        for i in self.out_indices:
            self.add_module(f'norm{i}', self._norm(dims[i]))
        self._freeze()

    def _stem(self, settings: dict[str, Any], in_channels: int) -> nn.Module:
        """Images to points, B×3×H×W → B×h×w×C."""
        raise NotImplementedError

    def _block(self, settings: dict[str, Any], stage: int, number: int, drop_path: float) -> nn.Module:
        """A block of a stage, by its number in it."""
        raise NotImplementedError

    def _halving(self, settings: dict[str, Any], stage: int) -> nn.Module:
        """The layer before a stage, which halves the map's sides."""
        raise NotImplementedError

    def _norm(self, dim: int) -> nn.Module:
        """The norm of an output."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """B×3×H×W, both sides at least 32 → a tuple of B×C×H'×W' maps, one per output stage, each through its own
        norm."""
        return tuple(
            self._output(getattr(self, f'norm{i}'), x) for i, x in enumerate(self.maps(x)) if i in self.out_indices
        )

    def maps(self, x: Tensor) -> Iterator[Tensor]:
        """B×3×H×W → the map of each stage that is built, B×h×w×C, before any norm."""
        if min(x.shape[-2:]) < MIN_SIZE:
            raise ValueError(
                f'{type(self).__name__} takes images of at least {MIN_SIZE}×{MIN_SIZE} pixels, '
                f'got {x.shape[-2]}×{x.shape[-1]}: resize or pad them'
            )
        x = self.stem(x)
        for i, stage in enumerate(self.stages):
            if i:
                x = self.downsamples[i - 1](x)
            x = self._through(stage, x)
            yield x

    def _through(self, stage: nn.Module, x: Tensor) -> Tensor:
        """A map through the blocks of a stage."""
        for block in stage.children():
            x = self._run(block, x)
        return x

    def _run(self, block: nn.Module, x: Tensor, *others: Any) -> Any:
        """A block, whose activations are not kept if there is to be a backward pass `with_cp`."""
        return (
            checkpoint(block, x, *others, use_reentrant=False)
            if self.with_cp and x.requires_grad
            else block(x, *others)
        )

    def _output(self, norm: nn.Module, x: Tensor) -> Tensor:
        """What is returned of a stage, channels first."""
        # Contiguous: some of mmcv's operators read their input as if it were.
        return norm(x).permute(0, 3, 1, 2).contiguous()

    def init_weights(self) -> None:
        """As mmengine does, but a checkpoint of another model in `init_cfg` is an error.

        A classifier has the norm of its last stage only, and stages behind the last output are not built: either may
        miss what the other has of those.

        Raises:
            UserError: Naming the checkpoint.
        """
        if not self.is_init:
            check_pretrained(self, self.init_cfg, self._may_differ, self._of_any_length)
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

    def _of_any_length(self, key: str) -> bool:
        """Whether a tensor is a vector that may be loaded from one of another length."""
        return False

    def train(self, mode: bool = True) -> StagedBackbone:
        super().train(mode)
        for module in self._frozen_modules():
            module.eval()
        return self

    def _frozen_modules(self) -> list[nn.Module]:
        if self.frozen_stages < 0:
            return []
        frozen = [self.stem, *self.stages[: self.frozen_stages], *self.downsamples[: max(0, self.frozen_stages - 1)]]
        return frozen + [getattr(self, f'norm{i}') for i in self.out_indices if i < self.frozen_stages]

    def _freeze(self) -> None:
        for module in self._frozen_modules():
            module.requires_grad_(False)
