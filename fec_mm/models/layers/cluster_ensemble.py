"""EnFormer's deep ensemble clustering as a layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fec_mm.ops import ensemble, reference_ensemble
from fec_mm.ops.ensemble import largest_membership
from fec_mm.ops.linear import scaled

from .block import ResidualBlock
from .similarity import VectorSimilarity
from .tap import AssignmentTap


class ClusterEnsemble(nn.Module):
    """A fuzzy and a partitional clustering and their consensus, B×H×W×C → B×H×W×C, any H and W.

    Args:
        dim: Channels.
        heads: Heads that are clustered independently.
        head_dim: Channels per head.
        centers: Centers per side of the fuzzy and of the partitional clustering.
        agents: Agents per side that positions are averaged to, or 0: they are not.
    """

    def __init__(self, dim: int, heads: int, head_dim: int, centers: tuple[int, int], agents: int = 0) -> None:
        super().__init__()
        self.settings: dict[str, Any] = dict(heads=heads, agents=agents)
        self.proj_in = nn.Linear(dim, 5 * heads * head_dim)
        self.fuzzy = VectorSimilarity(centers[0] ** 2)
        self.hard = VectorSimilarity(centers[1] ** 2)
        self.consensus = VectorSimilarity(centers[0] ** 2 + centers[1] ** 2)
        self.proj = nn.Linear(heads * head_dim, dim)
        self.tap = AssignmentTap()
        self.implementation = 'fast'

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """The encoded map; `scale`, one number per channel, multiplies it."""
        run = ensemble if self.implementation == 'fast' else reference_ensemble.ensemble
        weight, bias = scaled(self.proj.weight, self.proj.bias, scale)
        taps = self.fuzzy.tap, self.hard.tap, self.tap
        y, memberships = run(
            x,
            self.proj_in.weight,
            self.proj_in.bias,
            weight,
            bias,
            self.fuzzy(),
            self.hard(),
            self.consensus(),
            noise=self.training,
            watched=any(tap.watched for tap in taps),
            **self.settings,
        )
        if memberships is not None:
            for tap, member in zip(taps, memberships):
                confidence, ids = largest_membership(member, (x.shape[1], x.shape[2]), self.settings['agents'])
                tap(ids, confidence)
        return y

    def extra_repr(self) -> str:
        return ', '.join(f'{key}={value!r}' for key, value in self.settings.items())


class EnsembleBlock(ResidualBlock):
    """EnFormer's block, whose layer scales can be folded into the last projections of its branches."""

    @torch.no_grad()
    def fuse(self) -> None:
        """Fold the layer scales."""
        if self.layer_scale1 is None or self.layer_scale2 is None:
            return
        projections: tuple[Any, Any] = self.mixer.proj, self.mlp.fc2
        for projection, scale in zip(projections, (self.layer_scale1, self.layer_scale2)):
            projection.weight.mul_(scale[:, None])
            projection.bias.mul_(scale)
        self.layer_scale1 = self.layer_scale2 = None
