"""Sums over clusters in which positions count by their similarity, without keeping what a backward pass can make anew.

Shapes: R positions and M centers of all images, C channels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .members import add_rows
from .regions import is_exporting


def norms_by(x: Tensor, product: Tensor) -> Tensor:
    """√(x A x) of …×C, as …; A is C×C, symmetric and nonnegative. Where it is zero the result is infinite, and its
    reciprocal zero."""
    square = ((x @ product) * x).sum(-1)
    return square.masked_fill(square <= 0, float('inf')).sqrt()


def directions(centers: Tensor, product: Tensor) -> Tensor:
    """c A / √(c A c) of …×C, by whose products with x the features of x meet those of c, normalised.

    The length of c does not matter.
    """
    return (centers @ product) / norms_by(centers, product)[..., None]


def sums_of(rows: Tensor, index: Tensor, centers: int) -> Tensor:
    """Σ x over each cluster: R×C and the raster numbers of their centers → M×C."""
    return add_rows(rows.new_zeros(centers, rows.shape[1]), index, rows)


def weighted_sums(
    rows: Tensor,
    keys: Tensor,
    product: Tensor,
    alpha: Tensor,
    beta: Tensor,
    index: Tensor,
    cosines: Tensor,
    norms: Tensor,
) -> Tensor:
    """Σ s·x over each cluster, s = sigmoid(β + α·cos) with cos = key · x / √(x A x).

    Args:
        rows: x, R×C.
        keys: M×C.
        product: A, C×C and symmetric.
        alpha, beta: One element each.
        index: Each position's center, R, int64.
        cosines, norms: What the cosine and √(x A x) are, R, as the search for the centers had them, without gradient.

    Returns:
        M×C.
    """
    if not torch.compiler.is_compiling() and not is_exporting():
        sums: Tensor = WeightedSums.apply(rows, keys, product, alpha, beta, index, cosines, norms)
        return sums
    cosines = (keys.index_select(0, index) * rows).sum(1) / norms_by(rows, product)
    return sums_of(rows * torch.sigmoid(beta + alpha * cosines)[:, None], index, keys.shape[0])


class WeightedSums(torch.autograd.Function):
    """`weighted_sums` that keeps its inputs and numbers of one channel: neither rows of keys nor weighted rows."""

    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        rows, keys, _, alpha, beta, index, cosines, _ = inputs
        weight = torch.sigmoid(beta + alpha * cosines)
        ctx.save_for_backward(*inputs, weight)
        return sums_of(rows * weight[:, None], index, keys.shape[0])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, keys, product, alpha, _, index, cosines, norms, weight = ctx.saved_tensors
        of_rows = gradient.index_select(0, index)
        of_score = (of_rows * rows).sum(1) * weight * (1 - weight)
        # cos = key · x / n and n² = x A x: by x it changes as key / n − (cos / n²) A x.
        of_dot = alpha * of_score / norms
        shrink = of_dot * cosines / norms
        of_keys = sums_of(rows * of_dot[:, None], index, keys.shape[0])
        of_product = rows.t() @ (rows * (shrink / -2)[:, None])
        of_rows.mul_(weight[:, None]).addcmul_(keys.index_select(0, index), of_dot[:, None])
        of_rows.addcmul_(rows @ product, shrink[:, None], value=-1)
        of_alpha, of_beta = (of_score * cosines).sum().view(1), of_score.sum().view(1)
        return of_rows, of_keys, of_product, of_alpha, of_beta, None, None, None
