"""CLUENet's clustering as layers."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from fec_mm.ops import attention, reference_attention
from fec_mm.ops.attention import Chosen, Gate

from .block import ResidualBlock
from .drop_path import plus
from .init import as_convolution
from .tap import AssignmentTap

TEMPERATURE = 2.13  # initial


class CenterGate(nn.Module):
    """Two linear layers for each head; see `fec_mm.ops.attention.Gate`."""

    def __init__(self, heads: int, head_dim: int) -> None:
        super().__init__()
        hidden = max(1, head_dim // 2)
        self.weight1 = nn.Parameter(torch.empty(heads, hidden, 2 * head_dim))
        self.bias1 = nn.Parameter(torch.zeros(heads, hidden))
        self.weight2 = nn.Parameter(torch.empty(heads, 1, hidden))
        self.bias2 = nn.Parameter(torch.zeros(heads, 1))
        for weight in (self.weight1, self.weight2):
            nn.init.trunc_normal_(weight, std=0.02)

    def forward(self) -> Gate:
        return Gate(self.weight1, self.bias1, self.weight2, self.bias2)


class ClusterAttention(nn.Module):
    """Centers that attend to all positions, which then take their own center's value: B×H×W×C → B×H×W×C, any H and W.

    Args:
        dim: Channels.
        heads: Heads that are clustered independently.
        head_dim: Channels per head.
        centers: Centers per side.
        chooses: Whether it chooses each position's center, or takes the choice of another layer.
    """

    def __init__(self, dim: int, heads: int, head_dim: int, centers: int, chooses: bool) -> None:
        super().__init__()
        self.heads, self.centers, inner = heads, centers, heads * head_dim
        self.k = as_convolution(nn.Linear(dim, inner))
        self.v = as_convolution(nn.Linear(dim, inner))
        self.log_temperature = nn.Parameter(torch.tensor(math.log(TEMPERATURE)))
        self.gate = CenterGate(heads, head_dim)
        self.chooses = chooses
        if chooses:
            self.q = nn.Linear(inner, inner)
            nn.init.trunc_normal_(self.q.weight, std=0.02)
            nn.init.zeros_(self.q.bias)
            self.alpha = nn.Parameter(torch.ones(1))
            self.beta = nn.Parameter(torch.zeros(1))
            self.tap = AssignmentTap()
        self.proj = as_convolution(nn.Linear(inner, dim))
        self.implementation = 'fast'

    def forward(self, x: Tensor, chosen: Chosen | None = None) -> tuple[Tensor, Chosen]:
        """The map, and who took which center: `chosen`, or if there is none, this layer's choice."""
        run = attention if self.implementation == 'fast' else reference_attention
        attended = run.attend(
            x,
            self.k.weight,
            self.k.bias,
            self.v.weight,
            self.v.bias,
            self.log_temperature,
            self.gate(),
            heads=self.heads,
            centers=self.centers,
        )
        if self.chooses:
            chosen = run.choose(attended, self.q.weight, self.q.bias, self.alpha, self.beta)
            self.tap(chosen.centers.transpose(1, 2).unflatten(2, x.shape[1:3]))
        elif chosen is None:
            raise ValueError('a layer that does not choose needs the choice of another one')
        y = run.spread(attended.values, chosen, self.proj.weight, self.proj.bias)
        return y.view(*x.shape[:3], -1), chosen

    def extra_repr(self) -> str:
        return f'heads={self.heads}, centers={self.centers}, chooses={self.chooses}'


class SharingBlock(ResidualBlock):
    """A block whose mixer takes the choice of the block before it, and hands it on."""

    def through(
        self, x: Tensor, kept1: Tensor | None, kept2: Tensor | None, chosen: Chosen | None = None
    ) -> tuple[Tensor, Chosen]:
        y, chosen = self.mixer(self.norm1(x), chosen)
        x = plus(x, y, kept1)
        return plus(x, self.mlp(self.norm2(x)), kept2), chosen
