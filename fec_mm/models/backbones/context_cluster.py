"""Context Cluster: Image as Set of Points (ICLR 2023)."""

from __future__ import annotations

from torch import nn

from fec_mm.registry import MODELS

from ..layers import StridedConv
from .cluster_backbone import ClusterBackbone


@MODELS.register_module()
class ContextCluster(ClusterBackbone):
    """Context Cluster, `Image as Set of Points <https://arxiv.org/abs/2303.01494>`_.

    It weights positions by their similarity within a cluster, and halves maps by strided convolutions.

    Args:
        arch: 'tiny', 'tiny_plain' (without regions), 'tiny2' (with other centers and regions), 'small', 'medium' or
            'base', or a dict as for `FEC`.
        centers_per_side: As for `FEC`. The published ones are (2, 2, 2, 2), for dense prediction also (5, 5, 5, 5) and
            (7, 7, 7, 7).
        regions_per_side: As for `FEC`. The published ones are (8, 4, 2, 1).

    The other arguments are those of `FEC`.
    """

    weighting = 'similarity'
    arch_settings = {
        name: dict(
            depths=depths,
            embed_dims=dims,
            num_heads=heads,
            head_dims=head_dims,
            centers_per_side=centers,
            regions_per_side=regions,
        )
        for name, depths, dims, heads, head_dims, centers, regions in [
            ('tiny', (3, 4, 5, 2), (32, 64, 196, 320), (4, 4, 8, 8), (24, 24, 24, 24), (2, 2, 2, 2), (8, 4, 2, 1)),
            (
                'tiny_plain',
                (3, 4, 5, 2),
                (32, 64, 196, 320),
                (4, 4, 8, 8),
                (24, 24, 24, 24),
                (4, 4, 2, 2),
                (1, 1, 1, 1),
            ),
            (
                'tiny2',
                (3, 4, 5, 2),
                (32, 64, 196, 320),
                (4, 4, 8, 8),
                (24, 24, 24, 24),
                (4, 2, 7, 4),
                (7, 7, 1, 1),
            ),
            ('small', (2, 2, 6, 2), (64, 128, 320, 512), (4, 4, 8, 8), (32, 32, 32, 32), (2, 2, 2, 2), (8, 4, 2, 1)),
            (
                'base',
                (6, 6, 24, 6),
                (64, 128, 320, 512),
                (8, 8, 16, 16),
                (32, 32, 32, 32),
                (2, 2, 2, 2),
                (8, 4, 2, 1),
            ),
            (
                'medium',
                (4, 4, 12, 4),
                (64, 128, 320, 512),
                (6, 6, 12, 12),
                (32, 32, 32, 32),
                (2, 2, 2, 2),
                (8, 4, 2, 1),
            ),
        ]
    }

    def _downsample(self, in_dim: int, dim: int, regions: int) -> nn.Module:
        return StridedConv(in_dim, dim)
