"""The networks that checks and timings run.

Shapes: images B×3×H×W.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fec_mm.models import FEC, ClusterEncode, ClusterFPN, ClusterGAP, ClusterPool

DENSE = (0, 1, 2, 3)
SEGMENTATION: dict[str, Any] = dict(centers_per_side=(10, 10, 5, 5))
DETECTION: dict[str, Any] = dict(centers_per_side=(7, 7, 7, 7), regions_per_side=(2, 2, 1, 1))
# Two stages, and both forms of membership: to be compiled in reasonable time.
TINY: dict[str, Any] = dict(
    depths=(1, 1),
    embed_dims=(8, 12),
    num_heads=(2, 2),
    head_dims=(4, 4),
    mlp_ratios=(2, 2),
    centers_per_side=(9, 3),
    regions_per_side=(1, 1),
)


def tiny_fec() -> FEC:
    return FEC(TINY, out_indices=(0, 1))


class Classifier(nn.Module):
    """Backbone, mean over positions where it has not taken it, linear layer: what mmpretrain builds of the config.
    B×3×H×W → a tuple with B×classes."""

    def __init__(self, backbone: nn.Module, channels: int, classes: int = 1000) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.ModuleDict({'fc': nn.Linear(channels, classes)})

    def forward(self, x: Tensor) -> tuple[Tensor]:
        x = self.backbone(x)[-1]
        return (self.head['fc'](x.mean((2, 3)) if x.dim() == 4 else x),)


class Necks(nn.Module):
    """The parts that other backbones take, in one network.

    Args:
        candidates: Those of ClusterFPN, which needs mmdet or mmseg.
    """

    channels = (6, 8)

    def __init__(self, candidates: str) -> None:
        super().__init__()
        self.encode, self.pool = (
            ClusterEncode(self.channels[0], 2, 4),
            ClusterPool(*self.channels, learn_similarity=True),
        )
        self.fpn = ClusterFPN(list(self.channels), 12, 4, add_extra_convs='on_output', candidates=candidates)
        self.gap = ClusterGAP(12)

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.encode(torch.cat([images, images.square()], 1))
        outs = self.fpn([x, self.pool(x)])
        return [*outs, self.gap(outs[-1])]
