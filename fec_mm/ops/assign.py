"""Which center each position belongs to: an exact argmax that never holds all scores.

Shapes: G groups (images × regions), N positions, C channels, e heads, M centers per head.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .regions import ceil_div, is_exporting

try:
    from torch._higher_order_ops.scan import scan
except ImportError:  # before torch 2.6
    scan = None  # type: ignore[assignment]

# A tile's positions are a multiple of this: fewer, and odd numbers, make the products slow.
STEP = 256


def tile_size(device: torch.device) -> int:
    """Scores computed at once: as many as a CPU's caches hold; elsewhere enough to fill the device, at 128 MiB."""
    return 1 << (20 if device.type == 'cpu' else 25)


def first_largest(score: Tensor) -> Tensor:
    """argmax over the centers of all scores, the first one at a tie.

    Args:
        score: G×e×M×N, without gradient.

    Returns:
        G×e×N, int64.
    """
    if score.device.type != 'cpu' or torch.compiler.is_compiling() or is_exporting():
        return score.max(2)[1]
    # On a CPU `max` takes one position at a time as soon as it has to say where. Max pooling in channels-last layout,
    # with positions for channels and centers for rows, takes many.
    G, e, M, N = score.shape
    index = F.max_pool2d(score.reshape(G * e, M, 1, N).permute(0, 3, 1, 2), (M, 1), return_indices=True)[1]
    return index.view(G, e, N)  # the last one where a score is NaN


def largest_rows(score: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """The row of each head's largest score, and that score; the first one at a tie.

    Args:
        score: G×(M·e)×N, of M centers and in each of e heads.
        heads: e.

    Returns:
        The rows, G×e×N int64: center · e + head; and the scores, G×e×N.
    """
    G, rows, N = score.shape
    if score.device.type == 'cpu':  # see `first_largest`
        best, row = F.max_pool2d(
            score.view(G, -1, heads, N).permute(0, 3, 1, 2), (rows // heads, 1), return_indices=True
        )
        return row.permute(0, 2, 3, 1).view(G, heads, N), best.permute(0, 2, 3, 1).view(G, heads, N)
    best, center = score.view(G, -1, heads, N).max(1)
    return torch.add(torch.arange(heads, device=score.device)[:, None], center, alpha=heads), best


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
    if scan is not None and torch.onnx.is_in_onnx_export() and not torch.jit.is_tracing():
        return _scanned(x, queries, bias)
    if is_exporting():  # plain operators, all scores at once
        return _plain(x, queries, bias)
    return _assign(x, queries, bias)


def _plain(x: Tensor, queries: Tensor, bias: Tensor) -> Tensor:
    return (torch.einsum('gnc,gemc->gnem', x, queries) + bias[:, None]).argmax(-1)


def _scanned(x: Tensor, queries: Tensor, bias: Tensor) -> Tensor:
    """`assign` by ONNX's loop over tiles of `STEP` positions, so that the program that runs the file never holds all
    scores."""
    N = x.shape[1]
    tiles = ceil_div(N, STEP)
    x = F.pad(x, (0, 0, 0, tiles * STEP - N)).unflatten(1, (tiles, STEP)).transpose(0, 1)

    def tile(carry: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
        return carry.clone(), _plain(part, queries, bias)

    index = scan(tile, x.new_zeros(1), x)[1]  # which wants something to carry
    return index.transpose(0, 1).flatten(1, 2)[:, :N]


def _tiled(x: Tensor, queries: Tensor, bias: Tensor) -> Tensor:
    """`assign` tile by tile."""
    G, N = x.shape[:2]
    heads, M = queries.shape[1:3]
    # The bias as one more channel, so that a tile is one matrix product and nothing else.
    x = torch.cat([x, torch.ones_like(x[..., :1])], -1).transpose(1, 2)
    keys = torch.cat([queries, bias[..., None]], -1).flatten(1, 2)
    row = heads * M
    tile = tile_size(x.device) // row
    groups = max(1, ceil_div(G, max(1, ceil_div(G, max(1, tile // STEP)))))
    step = min(N, max(STEP, tile // groups // STEP * STEP))
    # Written in place: results kept between large tiles would keep the allocator from using their memory again.
    scores = x.new_empty(groups * row * step)
    index = torch.empty(G, heads, N, dtype=torch.int64, device=x.device)
    for g in range(0, G, groups):
        for n in range(0, N, step):
            q, k = keys[g : g + groups], x[g : g + groups, :, n : n + step]
            score = scores[: len(q) * row * k.shape[2]].view(len(q), row, -1)
            torch.bmm(q, k, out=score)
            index[g : g + groups, :, n : n + step] = first_largest(score.unflatten(1, (heads, M)))
    return index.transpose(1, 2).contiguous()


# One opaque operator to torch.compile, which would otherwise unroll the tiles and compile anew for every count of them.
_assign = _tiled
if hasattr(torch.library, 'custom_op'):  # torch 2.4
    _assign = torch.library.custom_op('fec_mm::assign', _tiled, mutates_args=())

    @_assign.register_fake
    def _(x: Tensor, queries: Tensor, bias: Tensor) -> Tensor:
        return torch.empty(x.shape[0], x.shape[1], queries.shape[1], dtype=torch.int64, device=x.device)
