"""Cutting maps into regions and averaging them into centers.

Shapes: B images, H×W positions, C channels, r×r regions of h×w positions each (h = ceil(H/r), w = ceil(W/r)), m×m
centers in each region. Regions of a map whose sides r does not divide are completed at the bottom and on the right by
padding, which has weight zero in every mean, sum and count.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import torch
import torch.fx.experimental.symbolic_shapes
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import _get_current_dispatch_mode

# Of torch 2.7 and newer.
_torch_exports = getattr(torch.compiler, 'is_exporting', lambda: False)
# Of torch 2.2 and newer.
_known = getattr(torch.fx.experimental.symbolic_shapes, 'statically_known_true', bool)

_Made = TypeVar('_Made')


def is_exporting() -> bool:
    """Whether the operators are written down for another program, which knows plain ones alone: by `torch.export` or by
    `torch.jit.trace`, which the older exporter to ONNX uses.
    """
    return _torch_exports() or torch.jit.is_tracing()


def surely(condition: bool | Tensor) -> bool:
    """Whether a condition on sizes holds; where a size is symbolic (compiling, exporting), whether it holds for all of
    them.

    A branch on it does not tie a graph to the sizes it was traced with. `torch.jit.trace` has tensors for sizes, of
    which nothing is sure.
    """
    return not isinstance(condition, Tensor) and _known(condition)


def ceil_div(a: int, b: int) -> int:
    """Written as the output size of a convolution is, so that symbolic sizes of both are one expression."""
    return (a - 1) // b + 1


def to_regions(x: Tensor, regions: int, multiple: int = 1) -> Tensor:
    """B×H×W×C → (B·r·r)×h×w×C, with h and w multiples of `multiple`; padded positions are zero."""
    if regions == 1 and multiple == 1:
        return x
    B, H, W, C = x.shape
    # The sides before the padding: of symbolic sizes, expressions that stay simple.
    h, w = (ceil_div(side, regions * multiple) * multiple for side in (H, W))
    if not (surely(h * regions == H) and surely(w * regions == W)):
        x = F.pad(x, (0, 0, 0, w * regions - W, 0, h * regions - H))
    if regions == 1:
        return x
    return x.view(B, regions, h, regions, w, C).transpose(2, 3).reshape(B * regions * regions, h, w, C)


def from_regions(x: Tensor, regions: int, size: tuple[int, int]) -> Tensor:
    """(B·r·r)×h×w×C → B×H×W×C: the inverse of `to_regions`, cropped to `size`."""
    if regions > 1:
        G, h, w, C = x.shape
        x = x.reshape(G // regions**2, regions, regions, h, w, C).transpose(2, 3)
        x = x.reshape(G // regions**2, regions * h, regions * w, C)
    H, W = size
    if surely(x.shape[1] == H) and surely(x.shape[2] == W):
        return x
    return x[:, :H, :W]


def is_padded(size: tuple[int, int], regions: int, padded: tuple[int, int]) -> bool:
    """Whether regions of (h, w) positions may hold more than the map of (H, W)."""
    return not all(surely(side * regions == whole) for side, whole in zip(padded, size))


def valid_positions(size: tuple[int, int], regions: int, padded: tuple[int, int], device: torch.device) -> Tensor:
    """Which positions are not padding, as (r·r)×(h·w) booleans.

    Args:
        size: (H, W) of the map.
        padded: (h, w) of one region.
    """
    rows, cols = (torch.arange(regions * p, device=device).view(regions, p) < s for s, p in zip(size, padded))
    return (rows[:, None, :, None] & cols[None, :, None, :]).reshape(regions**2, padded[0] * padded[1])


def pooling_matrix(length: int, side: int, regions: int, centers: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """One side of adaptive average pooling inside each region, as a matrix with the dtype and device of `like`.

    The bins are those of `torch.nn.functional.adaptive_avg_pool2d`, which overlap where m does not divide h (`side`)
    and repeat positions where m > h. As a matrix product the pooling is deterministic on every device, and exports with
    dynamic sizes. Matrices are kept and must not be written to.

    Returns:
        The matrix, (r·m)×length, whose rows sum to one or, for a bin with nothing but padding, to zero; and which bins
        can be chosen, (r·m) booleans: not those without positions, nor those with the same positions as the one before,
        which would tie with it.
    """
    return kept(_pooling_matrix)(length, side, regions, centers, like=like)


def kept(make: Callable[..., _Made]) -> Callable[..., _Made]:
    """A function that makes tensors of whole numbers, a dtype and a device, and keeps them: called with `like`, which
    has the latter two, and not to be written to.

    Nothing is kept while compiling or tracing, or where a dispatch mode sees all operators, such as fake tensors and
    counters; but for a mode whose `keeps` is true, which runs operators as they are.
    """

    def get(*numbers: int, like: Tensor) -> _Made:
        plain = type(like) in (Tensor, nn.Parameter) and all(type(number) is int for number in numbers)
        if plain and not torch.compiler.is_compiling() and _may_keep():
            return _kept(make, *numbers, like.dtype, like.device)
        return make(*numbers, like.dtype, like.device)

    return get


def _may_keep() -> bool:
    mode = _get_current_dispatch_mode()
    return mode is None or getattr(mode, 'keeps', False)


@lru_cache(maxsize=256)
def _kept(make: Callable[..., _Made], *arguments: Any) -> _Made:
    with torch.inference_mode(False):  # whose tensors cannot be kept for training
        return make(*arguments)


def _pooling_matrix(
    length: int, side: int, regions: int, centers: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    center = torch.arange(centers, device=device)
    offset = torch.arange(regions, device=device)[:, None] * side
    start = (offset + center * side // centers).flatten()
    stop = (offset + ((center + 1) * side + centers - 1) // centers).flatten().clamp(max=length)
    position = torch.arange(length, device=device)
    member = ((position >= start[:, None]) & (position < stop[:, None])).to(dtype)
    repeated = F.pad((start[1:] == start[:-1]) & (stop[1:] == stop[:-1]), (1, 0))
    return member / member.sum(1, keepdim=True).clamp(min=1), (start < stop) & ~repeated


def pool_by(rows: Tensor, cols: Tensor, x: Tensor) -> Tensor:
    """Both sides of a pooling, by a matrix for each: h×H, w×W, B×H×W×C → B×h×w×C."""
    B, H, W, C = x.shape
    return cols @ (rows @ x.reshape(B, H, W * C)).reshape(B, rows.shape[0], W, C)


def average_centers(x: Tensor, regions: int, centers: int) -> tuple[Tensor, Tensor | None]:
    """Adaptive average pooling of each region to m×m.

    Returns:
        The means, (B·r·r)×M×C, and which centers can be chosen, (r·r)×M, or None where that is all of them.
    """
    B, H, W, C = x.shape
    rows, row_ok = pooling_matrix(H, ceil_div(H, regions), regions, centers, x)
    cols, col_ok = pooling_matrix(W, ceil_div(W, regions), regions, centers, x)
    y = pool_by(rows, cols, x).reshape(B, regions, centers, regions, centers, C).transpose(2, 3)
    y = y.reshape(B * regions**2, centers**2, C)
    if regions == 1 and surely(centers <= H) and surely(centers <= W):
        return y, None
    ok = row_ok.view(regions, 1, centers, 1) & col_ok.view(1, regions, 1, centers)
    return y, ok.reshape(regions**2, centers**2)


def average_pairs(x: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """The mean of the valid positions of each 2×2 square.

    Args:
        x: G×h×w×C with even h and w, zero where it is padding.
        valid: G×h×w booleans, false where it is padding; None: there is none.

    Returns:
        The means, G×M×C with M = h·w/4, and which of them have positions at all, G×M, or None: all.
    """

    def squares(t: Tensor) -> Tensor:
        if torch.compiler.is_compiling() and not is_exporting():
            # Inductor cannot lay out the input of avg_pool2d where the sides are even by an expression of the image's.
            return t.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).mean((2, 4)).flatten(1, 2)
        # The plain mean: the ONNX exporter silently drops a divisor_override.
        return F.avg_pool2d(t.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1).flatten(1, 2)

    if valid is None:
        return squares(x), None
    share = squares(valid.to(x.dtype)[..., None])
    return squares(x) / share.masked_fill(share == 0, 1), share[..., 0] > 0


def raster_ids(index: Tensor, regions: int, centers: tuple[int, int]) -> Tensor:
    """Center numbers within each region → numbers in raster order over the whole map's (r·m)×(r·m') centers.

    Args:
        index: (B·r·r)×…, int64.
        centers: (m, m') centers per region and side.
    """
    if regions == 1:
        return index
    m, n = centers
    region = torch.arange(regions**2, device=index.device).repeat(index.shape[0] // regions**2)
    region = region.view(-1, *[1] * (index.dim() - 1))
    row = region // regions * m + index // n
    col = region % regions * n + index % n
    return row * (regions * n) + col


def pooled_ids(index: Tensor, regions: int, padded: tuple[int, int], cols: int) -> Tensor:
    """Center numbers within each region → raster positions in the pooled map, which is cropped to `cols` columns."""
    if regions == 1:
        return index
    centers = padded[0] // 2, padded[1] // 2
    ids = raster_ids(index, regions, centers)
    wide = regions * centers[1]
    return ids // wide * cols + ids % wide
