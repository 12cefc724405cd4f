"""Which center each position belongs to: an exact argmax that never holds all scores.

Shapes: G groups (images × regions), N positions, C channels, e heads, M centers per head.
"""
from __future__ import annotations

import torch
from torch import Tensor

from .regions import is_exporting

# Centers that are compared vector-wise before the winner's block is searched: argmax costs several times an amax.
BLOCK = 32


def tile_size(device: torch.device) -> int:
    """Scores computed at once: as many as a CPU's caches hold; elsewhere enough to fill the device, at 128 MiB."""
    return 1 << (19 if device.type == 'cpu' else 25)


def first_largest(score: Tensor) -> Tensor:
    """argmax over the centers of all scores, the first one at a tie.

    Args:
        score: G×e×M×N, without gradient.

    Returns:
        G×e×N, int64.
    """
    if score.device.type != 'cpu' or torch.compiler.is_compiling():
        return score.max(2)[1]
    # On a CPU `max` takes one position at a time as soon as it has to say where; `eq` and `amax` take many.
    M = score.shape[2]
    largest = torch.eq(score, score.amax(2, keepdim=True), out=torch.empty_like(score))
    from_end = torch.arange(M, 0, -1, dtype=score.dtype)[:, None]
    return (M - largest.mul_(from_end).amax(2)).clamp_(max=M - 1).long()  # the last one where a score is NaN


def assign(x: Tensor, queries: Tensor, bias: Tensor) -> Tensor:
    """argmax over m of queries[g, h, m] · x[g, n] + bias[g, h, m], the first one at a tie.

    Args:
        x: G×N×C.
        queries: G×e×M×C.
        bias: G×e×M; −inf excludes a center.

    Returns:
        G×N×e, int64. No gradient: the choice has none.
    """
    x, queries, bias = x.detach(), queries.detach(), bias.detach()
    if is_exporting():  # plain operators, all scores at once
        scores = torch.einsum('gnc,gemc->gnem', x, queries) + bias[:, None]
        return scores.argmax(-1)
    return _assign(x, queries, bias)


def _tiled(x: Tensor, queries: Tensor, bias: Tensor) -> Tensor:
    """`assign` tile by tile."""
    G, N, C = x.shape
    heads, M = queries.shape[1:3]
    blocked = M > 4 * BLOCK
    if blocked:
        # The bias as one more channel, so that a tile is one matrix product and nothing else.
        x = torch.cat([x, torch.ones_like(x[..., :1])], -1)
        queries = torch.cat([queries, bias[..., None]], -1)
        fill = queries.new_zeros(G, heads, -M % BLOCK, C + 1)
        fill[..., C] = -float('inf')
        queries = torch.cat([queries, fill], 2)
    keys = queries.flatten(1, 2).transpose(1, 2).contiguous()
    bias = bias.flatten(1)[:, None]

    def best(g: slice, n: slice) -> Tensor:
        if not blocked:
            score = torch.baddbmm(bias[g], x[g, n], keys[g])
            return score.view(*score.shape[:2], heads, M).max(-1)[1]
        score = torch.bmm(x[g, n], keys[g])
        score = score.view(*score.shape[:2], heads, -1, BLOCK)
        block = score.amax(-1).max(-1, keepdim=True)[1]
        inside = score.gather(3, block[..., None].expand(*block.shape, BLOCK)).squeeze(3).max(-1)[1]
        return block.squeeze(3) * BLOCK + inside

    tile = tile_size(x.device)
    row = keys.shape[2]
    # Written in place: small results kept between large tiles would keep the allocator from using their memory again.
    index = torch.empty(G, N, heads, dtype=torch.int64, device=x.device)
    if N * row <= tile:
        step = max(1, tile // (N * row))
        for g in range(0, G, step):
            index[g:g + step] = best(slice(g, g + step), slice(None))
        return index
    step = max(1, tile // row)
    for g in range(G):
        for n in range(0, N, step):
            index[g:g + 1, n:n + step] = best(slice(g, g + 1), slice(n, n + step))
    return index


# One opaque operator to torch.compile, which would otherwise unroll the tiles and compile anew for every count of them.
_assign = _tiled
if hasattr(torch.library, 'custom_op'):  # torch 2.4
    _assign = torch.library.custom_op('fec_mm::assign', _tiled, mutates_args=())

    @_assign.register_fake
    def _(x: Tensor, queries: Tensor, bias: Tensor) -> Tensor:
        return torch.empty(x.shape[0], x.shape[1], queries.shape[1], dtype=torch.int64, device=x.device)
