"""Sums of values over clusters that every position may belong to, without keeping scores of all pairs.

Scores are products of keys and queries. Where they are more than a tile, they are computed tile by tile, so that a tile
stays in cache, and once more in the backward pass. Otherwise, and while compiling or exporting, plain operators do it.

Shapes: G groups (images × heads), N positions, M centers, K channels of keys and queries, D of values. Values end in a
column of ones, whose sums are the clusters' sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .assign import tile_size
from .regions import is_exporting


def fuzzy_sums(keys: Tensor, queries: Tensor, values: Tensor) -> Tensor:
    """Σ A·v over the positions, A being the softmax over the centers: G×N×K, G×M×K, G×N×D → G×M×D."""
    if _plain(keys, queries):
        return (keys @ queries.transpose(1, 2)).softmax(-1).transpose(1, 2) @ values
    return FuzzySums.apply(keys, queries, values)


def hard_sums(keys: Tensor, queries: Tensor, values: Tensor, noise: Tensor | None) -> Tensor:
    """Σ A·v over the positions, where A is the sigmoid of the score with the center of the largest score, else 0.

    The choice has the gradient of the softmax (straight through).

    Args:
        keys, queries, values: G×N×K, G×M×K, G×N×D; the last column of the values is ones, and counts positions whole.
        noise: What is added to the scores to choose by, G×N×M, or None.

    Returns:
        G×M×D.
    """
    if _plain(keys, queries):
        score = keys @ queries.transpose(1, 2)
        noisy = score if noise is None else score + noise
        soft = noisy.softmax(-1)
        mask = _one_hot(choice(noisy), score) + soft - soft.detach()
        sums = (score.sigmoid() * mask).transpose(1, 2) @ values[..., :-1]
        return torch.cat([sums, mask.sum(1)[..., None]], -1)
    return HardSums.apply(keys, queries, values, noise)


def choice(scores: Tensor) -> Tensor:
    """Each position's center, the first one at a tie: G×N×M → G×N int64. No gradient: the choice has none."""
    return scores.detach().argmax(-1)


def gumbel_like(keys: Tensor, centers: int) -> Tensor:
    """Gumbel noise for each pair, G×N×M, from torch's generator."""
    noise = torch.rand(*keys.shape[:-1], centers, dtype=keys.dtype, device=keys.device)
    return noise.log_().neg_().log_().neg_()


class FuzzySums(torch.autograd.Function):
    """`fuzzy_sums`, tile by tile."""

    @staticmethod
    def forward(ctx: Any, keys: Tensor, queries: Tensor, values: Tensor) -> Tensor:
        ctx.save_for_backward(keys, queries, values)
        sums = values.new_zeros(*queries.shape[:2], values.shape[2])
        for n, score in _tiles(keys, queries):
            sums.baddbmm_(score.softmax(-1).transpose(1, 2), values[:, n])
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        keys, queries, values = ctx.saved_tensors
        of_keys, of_queries, of_values = _empty(keys), torch.zeros_like(queries), _empty(values)
        for n, score in _tiles(keys, queries):
            member = score.softmax(-1)
            of_values[:, n] = member @ gradient
            of_score = _through_softmax(member, values[:, n] @ gradient.transpose(1, 2))
            of_keys[:, n] = of_score @ queries
            of_queries.baddbmm_(of_score.transpose(1, 2), keys[:, n])
        return of_keys, of_queries, of_values


class HardSums(torch.autograd.Function):
    """`hard_sums`, tile by tile."""

    @staticmethod
    def forward(ctx: Any, keys: Tensor, queries: Tensor, values: Tensor, noise: Tensor | None) -> Tensor:
        index = torch.empty(keys.shape[:2], dtype=torch.int64, device=keys.device)
        G, M, _ = queries.shape
        share = keys.new_empty(*keys.shape[:2], 1)
        for n, score in _tiles(keys, queries):
            index[:, n] = choice(score if noise is None else score + noise[:, n])
            share[:, n] = score.gather(-1, index[:, n, None])
        weighted = values * share.sigmoid_()
        weighted[..., -1] = 1
        rows = index + M * torch.arange(G, device=index.device)[:, None]
        sums = values.new_zeros(G * M, values.shape[2]).index_add_(0, rows.flatten(), weighted.flatten(0, 1))
        ctx.save_for_backward(keys, queries, values, noise, index)
        return sums.view(G, M, -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        keys, queries, values, noise, index = ctx.saved_tensors
        of_keys, of_queries, of_values = _empty(keys), torch.zeros_like(queries), torch.zeros_like(values)
        for n, score in _tiles(keys, queries):
            soft = (score if noise is None else score + noise[:, n]).softmax(-1)
            share = score.sigmoid_()
            chosen = _one_hot(index[:, n], share)
            member = share * chosen
            of_values[:, n, :-1] = member @ gradient[..., :-1]
            of_member = values[:, n, :-1] @ gradient[..., :-1].transpose(1, 2)
            of_score = _through_softmax(soft, torch.addcmul(gradient[:, None, :, -1], share, of_member))
            of_score.addcmul_(member.mul_(of_member), 1 - share)
            of_keys[:, n] = of_score @ queries
            of_queries.baddbmm_(of_score.transpose(1, 2), keys[:, n])
        return of_keys, of_queries, of_values, None


def _plain(keys: Tensor, queries: Tensor) -> bool:
    if torch.compiler.is_compiling() or is_exporting():
        return True
    return keys.shape[0] * keys.shape[1] * queries.shape[1] <= tile_size(keys.device)


def _tiles(keys: Tensor, queries: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Positions and their scores with all centers, G×n×M."""
    G, N, _ = keys.shape
    step = max(64, tile_size(keys.device) // (G * queries.shape[1]))
    for first in range(0, N, step):
        n = slice(first, first + step)
        yield n, keys[:, n] @ queries.transpose(1, 2)


def _one_hot(index: Tensor, like: Tensor) -> Tensor:
    """G×N, G×N×M → G×N×M."""
    return (index[..., None] == torch.arange(like.shape[-1], device=index.device)).to(like.dtype)


def _through_softmax(member: Tensor, gradient: Tensor) -> Tensor:
    """The gradient of the scores from that of their softmax."""
    return torch._softmax_backward_data(gradient, member, -1, member.dtype)


def _empty(like: Tensor) -> Tensor:
    return torch.empty_like(like, memory_format=torch.contiguous_format)
