"""One block of a clustering stage."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fec_mm.ops.gelu_mlp import gelu_mlp
from fec_mm.ops.linear import autocasting, scaled
from fec_mm.ops.regions import is_exporting

from .cluster_encode import EncodingLayer
from .drop_path import DropPath, plus
from .norm import GroupNorm

# Hidden numbers at once on a CPU: 4 MiB, which stay in its caches and in memory that the process keeps.
TILE = 1 << 20


class MLP(nn.Module):
    """Two linear layers with a GELU between them, B×H×W×C → B×H×W×C."""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, dim)
        for layer in (self.fc1, self.fc2):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, scale: Tensor | None = None, onto: Tensor | None = None) -> Tensor:
        """The MLP's output.

        Args:
            scale: Multiplies it, one number per channel.
            onto: A contiguous map that it is added to in place and tile by tile, without gradient.
        """
        if onto is None and not torch.compiler.is_compiling() and not is_exporting():
            return gelu_mlp(x, self.fc1.weight, self.fc1.bias, self.fc2.weight, self.fc2.bias, scale)
        weight, bias = scaled(self.fc2.weight, self.fc2.bias, scale)
        if onto is None:
            return F.linear(self._hidden(x), weight, bias)
        tile = max(1, TILE // self.fc1.out_features)
        for out, rows in zip(onto.view(-1, onto.shape[-1]).split(tile), x.reshape(-1, x.shape[-1]).split(tile)):
            out.add_(bias).addmm_(self._hidden(rows), weight.t())
        return onto

    def _hidden(self, x: Tensor) -> Tensor:
        return F.gelu(F.linear(x, self.fc1.weight, self.fc1.bias))


def through_scaled(branch: nn.Module, x: Tensor, scale: Tensor | None) -> Tensor:
    """ls ⊙ branch(x), the scale folded into the branch's last projection where its product keeps its precision; None:
    there is none."""
    if scale is None:
        return branch(x)
    return branch(x, scale) if foldable(scale) else branch(x) * scale


def foldable(scale: Tensor) -> bool:
    """Whether a projection times a layer scale keeps its precision."""
    return not autocasting(scale.device) and scale.dtype not in (torch.float16, torch.bfloat16)


class ResidualBlock(nn.Module):
    """x + ls₁ ⊙ mixer(norm₁(x)), then x + ls₂ ⊙ mlp(norm₂(x)), B×H×W×C → B×H×W×C.

    Args:
        norms: Both norms.
        mixer, mlp: The branches.
        dim: Channels.
        drop_path: Probability that an image skips a branch in training.
        layer_scale: Initial ls₁ and ls₂; None: there are none.
    """

    layer_scale1: Tensor | None
    layer_scale2: Tensor | None

    def __init__(
        self,
        norms: tuple[nn.Module, nn.Module],
        mixer: nn.Module,
        mlp: nn.Module,
        dim: int,
        drop_path: float,
        layer_scale: float | None,
    ) -> None:
        super().__init__()
        self.norm1 = norms[0]
        self.mixer = mixer
        self.norm2 = norms[1]
        self.mlp = mlp
        for name in ('layer_scale1', 'layer_scale2'):
            self.register_parameter(
                name, None if layer_scale is None else nn.Parameter(torch.full((dim,), layer_scale))
            )
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, *others: Any) -> Any:
        return self.through(x, self.drop_path(x), self.drop_path(x), *others)

    def through(self, x: Tensor, kept1: Tensor | None, kept2: Tensor | None) -> Any:
        """The map, given by what its branches are multiplied; see `DropPath`."""
        x = plus(x, through_scaled(self.mixer, self.norm1(x), self.layer_scale1), kept1)
        return plus(x, through_scaled(self.mlp, self.norm2(x), self.layer_scale2), kept2)


class ClusterBlock(ResidualBlock):
    """A block of FEC and Context Cluster, with GroupNorm and a plain MLP.

    Args:
        mixer: The encoding layer.
        dim: Channels.
        mlp_ratio: Hidden channels of the MLP over channels.
        drop_path, layer_scale: As of `ResidualBlock`.
    """

    layer_scale1: Tensor
    layer_scale2: Tensor

    def __init__(self, mixer: EncodingLayer, dim: int, mlp_ratio: float, drop_path: float, layer_scale: float) -> None:
        norms = GroupNorm(dim), GroupNorm(dim)
        super().__init__(norms, mixer, MLP(dim, int(dim * mlp_ratio)), dim, drop_path, layer_scale)

    def forward(self, x: Tensor, *others: Any) -> Any:
        alone = not (self.training or torch.is_grad_enabled() or torch.compiler.is_compiling() or is_exporting())
        if x.device.type == 'cpu' and alone and foldable(self.layer_scale1):
            # In place: fresh memory costs more than the sums.
            x = self.mixer(self.norm1(x), self.layer_scale1).add_(x).contiguous()
            return self.mlp(self.norm2(x), self.layer_scale2, x)
        return super().forward(x, *others)
