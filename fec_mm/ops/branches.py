"""Batch norms of several branches, their sum, and its batch norm, in training: large maps between them are not kept.

Shapes: B×C×H×W maps, channels last in memory; J branches, the last of which may be x times one number per channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Numbers of a map that are kept: half a MiB, to make launches few where memory is plenty.
KEPT = 1 << 17


class Norm(NamedTuple):
    """A batch norm that trains: weight, bias, running mean and variance, C each; None: those are not updated."""

    weight: Tensor
    bias: Tensor
    mean: Tensor | None
    var: Tensor | None
    momentum: float
    eps: float


def normed_sum(x: Tensor, convolved: Sequence[Tensor], point: Tensor | None, norms: Sequence[Norm]) -> Tensor:
    """norm(Σ norm_j(z_j)), by the batch's statistics; running ones are updated.

    Args:
        x: What was convolved.
        convolved: z_j of the convolutions.
        point: Weight of the last branch, whose z is x times it, C; None: there is none.
        norms: One for each branch, and that of the sum.
    """
    learnt = [t for norm in norms for t in (norm.weight, norm.bias)]
    y: Tensor = NormedSum.apply(x, point, tuple(norms), *learnt, *convolved)
    return y


class NormedSum(torch.autograd.Function):
    """`normed_sum`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, point: Tensor | None, norms: tuple[Norm, ...], *tensors: Tensor) -> Tensor:
        convolved = tensors[2 * len(norms) :]
        inputs = _inputs(x, point, convolved)
        outputs = [_normed(z, norm) for z, norm in zip(inputs, norms)]
        total = _sum([output for output, _, _ in outputs])
        y, *last = _normed(total, norms[-1])
        statistics = [t for _, *pair in outputs for t in pair] + last
        ctx.norms = [(norm.weight, norm.bias, norm.eps) for norm in norms]
        few = x.numel() <= KEPT
        made = [total, *inputs[len(convolved) :]] if few else []
        ctx.few, ctx.count = few, len(convolved)
        ctx.save_for_backward(None if point is None else x, point, *convolved, *statistics, *made)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, point, *rest = ctx.saved_tensors
        convolved, rest = rest[: ctx.count], rest[ctx.count :]
        statistics, made = rest[: 2 * len(ctx.norms)], rest[2 * len(ctx.norms) :]
        if ctx.few:
            inputs, total = [*convolved, *made[1:]], made[0]
        else:
            inputs = _inputs(x, point, convolved)
            total = _sum([_normed(z, Norm(w, b, None, None, 0, eps))[0] for z, (w, b, eps) in zip(inputs, ctx.norms)])
        of_total, *of_last = _back(gradient, total, ctx.norms[-1], statistics[-2:])
        found = [
            _back(of_total, z, norm, statistics[2 * j : 2 * j + 2])
            for j, (z, norm) in enumerate(zip(inputs, ctx.norms))
        ]
        learnt = [t for _, *pair in found for t in pair] + of_last
        maps = [of_z for of_z, _, _ in found]
        of_x = of_point = None
        if point is not None:
            of_z = maps.pop()
            of_x, of_point = of_z * point[:, None, None], (of_z * x).sum((0, 2, 3))
        return of_x, of_point, None, *learnt, *maps


def _inputs(x: Tensor, point: Tensor | None, convolved: Sequence[Tensor]) -> list[Tensor]:
    return [*convolved] + ([] if point is None else [x * point[:, None, None]])


def _normed(x: Tensor, norm: Norm) -> tuple[Tensor, Tensor, Tensor]:
    """The output, and what the backward pass takes of the batch."""
    return torch.native_batch_norm(x, norm.weight, norm.bias, norm.mean, norm.var, True, norm.momentum, norm.eps)


def _back(gradient: Tensor, x: Tensor, norm: Any, statistics: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    return torch.ops.aten.native_batch_norm_backward(
        gradient, x, norm[0], None, None, *statistics, True, norm[2], [True, True, True]
    )


def _sum(maps: list[Tensor]) -> Tensor:
    """In the place of the first."""
    for other in maps[1:]:
        maps[0].add_(other)
    return maps[0]
