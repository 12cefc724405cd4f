"""A projected map as what several clusterings need of it: heads apart, directions and values, each with a one.

Shapes: B images, n positions, e heads of D channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .regions import is_exporting
from .vectors import length, normalize


def head_parts(maps: Tensor, heads: int, directions: Sequence[bool]) -> tuple[Tensor, ...]:
    """The parts of a map, in which each head's vectors end in a one: what a shift is multiplied by, or what counts.

    Args:
        maps: B×n×(parts·e·D).
        heads: e.
        directions: For each part whether its vectors are divided by their length.

    Returns:
        As many tensors of B×e×n×(D + 1).
    """
    if torch.compiler.is_compiling() or is_exporting():
        parts = _apart(maps, heads, len(directions))
        return tuple(with_ones(normalize(part) if unit else part) for part, unit in zip(parts, directions))
    return HeadParts.apply(maps, heads, tuple(directions))


def with_ones(x: Tensor) -> Tensor:
    """A map and a channel of ones, …×D → …×(D + 1)."""
    return torch.cat([x, torch.ones_like(x[..., :1])], -1)


class HeadParts(torch.autograd.Function):
    """`head_parts` with fewer passes over the map, forward and backward, and without keeping it."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, heads: int, directions: tuple[bool, ...]) -> tuple[Tensor, ...]:
        parts = _apart(maps, heads, len(directions))
        out = [part.new_ones(*part.shape[:-1], part.shape[-1] + 1) for part in parts]
        lengths = []
        for part, unit, target in zip(parts, directions, out):
            if unit:
                lengths.append(length(part))
                torch.div(part, lengths[-1], out=target[..., :-1])
            else:
                target[..., :-1] = part
        ctx.directions = directions
        ctx.save_for_backward(*[t for t, unit in zip(out, directions) if unit], *lengths)
        return tuple(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        # Asked for once: under checkpointing each is unpacked once.
        saved, count = ctx.saved_tensors, sum(ctx.directions)
        units, lengths = iter(saved[:count]), iter(saved[count:])
        B, heads, n, width = gradients[0].shape
        of_maps = gradients[0].new_empty(B, n, len(gradients), heads, width - 1)
        for i, (gradient, unit) in enumerate(zip(gradients, ctx.directions)):
            g, target = gradient[..., :-1], of_maps[:, :, i].transpose(1, 2)
            if unit:
                u = next(units)[..., :-1]
                along = (u * g).sum(-1, keepdim=True)
                torch.div(torch.addcmul(g, u, along, value=-1), next(lengths), out=target)
            else:
                target.copy_(g)
        return of_maps.flatten(2), None, None


def _apart(maps: Tensor, heads: int, parts: int) -> tuple[Tensor, ...]:
    """B×n×(parts·e·D) → parts of B×e×n×D."""
    return maps.unflatten(2, (parts, heads, -1)).permute(2, 0, 3, 1, 4).unbind()
