"""Attention of few queries to many positions, as products: what fused kernels are made for are many queries.

Those of a GPU give each block of queries to one of its many processors, and leave the others idle where there are few.

Shapes: B images, e heads of D channels, G = B·e; M queries, N positions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .assign import tile_size
from .regions import is_exporting

# Queries that a fused kernel gives to one processor, and processors of a large GPU.
BLOCK, PROCESSORS = 64, 128


def attention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """softmax(q·kᵀ)·v: B×e×M×D, B×e×N×D, B×e×N×D → B×e×M×D."""
    if is_exporting():
        return (queries @ keys.transpose(2, 3)).softmax(-1) @ values
    if torch.compiler.is_compiling() or not products_are_faster(queries):
        return F.scaled_dot_product_attention(queries, keys, values, scale=1.0)
    y: Tensor = FewQueries.apply(*(t.flatten(0, 1) for t in (queries, keys, values)))
    return y.view_as(queries)


def products_are_faster(queries: Tensor) -> bool:
    """The one place that decides."""
    B, heads, M, _ = queries.shape
    return queries.device.type != 'cpu' and B * heads * (1 + (M - 1) // BLOCK) < PROCESSORS


class FewQueries(torch.autograd.Function):
    """The attention of G×…, whose scores are computed anew in the backward pass, some groups at once."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        ctx.save_for_backward(queries, keys, values)
        return torch.cat([(_shares(queries[g], keys[g]) @ values[g]) for g in _groups(queries, keys)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        queries, keys, values = ctx.saved_tensors
        of_queries, of_keys, of_values = (
            torch.empty_like(t, memory_format=torch.contiguous_format) for t in (queries, keys, values)
        )
        for g in _groups(queries, keys):
            share = _shares(queries[g], keys[g])
            torch.bmm(share.transpose(1, 2), gradient[g], out=of_values[g])
            of_share = gradient[g] @ values[g].transpose(1, 2)
            of_score = torch._softmax_backward_data(of_share, share, -1, share.dtype)
            torch.bmm(of_score, keys[g], out=of_queries[g])
            torch.bmm(of_score.transpose(1, 2), queries[g], out=of_keys[g])
        return of_queries, of_keys, of_values


def _groups(queries: Tensor, keys: Tensor) -> Iterator[slice]:
    """As many as a tile has scores, at least one."""
    step = max(1, tile_size(keys.device) // max(1, queries.shape[1] * keys.shape[1]))
    for first in range(0, len(queries), step):
        yield slice(first, first + step)


def _shares(queries: Tensor, keys: Tensor) -> Tensor:
    return (queries @ keys.transpose(1, 2)).softmax(-1)
