"""Global average pooling over representatives instead of positions."""

from __future__ import annotations

import math

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from fec_mm.ops import represent
from fec_mm.registry import MODELS

from ..layers import AssignmentTap


@MODELS.register_module()
class ClusterGAP(BaseModule):
    """The mean of a map's representatives, by learnt weights; see docs/necks.md.

    With as many representatives as positions, and the equal weights it begins with, this is global average pooling.

    Args:
        in_channels: Channels of the map.
        num_representatives: K, a square: the centers are the means of √K×√K cells.
        head_dim: Channels in which positions and centers are compared.
        init_cfg: mmengine's initialisation config.
    """

    def __init__(
        self,
        in_channels: int,
        num_representatives: int = 16,
        head_dim: int = 32,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.centers = math.isqrt(max(0, num_representatives))
        if self.centers < 1 or self.centers**2 != num_representatives:
            raise ValueError(f'ClusterGAP: num_representatives={num_representatives} must be a square: 1, 4, 9, 16, …')
        self.f = nn.Linear(in_channels, head_dim)
        self.alpha = nn.Parameter(torch.ones(1))
        self.beta = nn.Parameter(torch.zeros(1))
        self.logits = nn.Parameter(torch.zeros(num_representatives))
        self.tap = AssignmentTap()

    def forward(self, inputs: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        """A B×C×H×W map → B×C; a tuple with one such map → a tuple of one.

        Raises:
            TypeError: It is neither.
            ValueError: There are several maps, which `in_channels` cannot all be of.
        """
        if isinstance(inputs, Tensor):
            return self._average(inputs)
        if not isinstance(inputs, tuple):
            raise TypeError(f'ClusterGAP takes a map or a tuple with one, and got a {type(inputs).__name__}')
        if len(inputs) != 1:
            raise ValueError(
                f'ClusterGAP takes one map and got {len(inputs)}: set out_indices of the backbone to one stage'
            )
        return (self._average(inputs[0]),)

    def _average(self, x: Tensor) -> Tensor:
        rep, ids = represent(
            x.permute(0, 2, 3, 1), self.f.weight, self.f.bias, self.alpha, self.beta, centers=self.centers
        )
        self.tap(ids)
        return (rep * self.logits.softmax(0)[:, None]).sum(1).to(x.dtype)
