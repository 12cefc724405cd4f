"""Nine candidates for each position: the coarse cell that it lies in, and the eight cells around it.

Shapes: B images, H×W positions, h×w cells, C channels, P positions per cell. Nines are in this order: the own cell,
then the others in raster order.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .assign import tile_size
from .regions import ceil_div, is_exporting, surely, to_regions
from .vectors import full, normalize

# Steps to the nine, in rows and columns of cells.
ORDER = ((0, 0), (-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))


def near_scores(f: Tensor, keys: Tensor, compactness: float = 0.0) -> tuple[Tensor, Tensor]:
    """How well each position fits each of its nine candidates: cos(key, f) − compactness · d².

    d is the distance from the position to the middle of the candidate's cell, in cells. The softmax over the nine (of
    scores over a temperature) is a soft assignment, as in the literature on differentiable superpixels.

    Args:
        f: Features of the positions, B×H×W×C.
        keys: Features of the centers, B×ceil(H/2)×ceil(W/2)×C.
        compactness: What one squared cell costs. Default: 0.

    Returns:
        The scores, B×H×W×9, at least float32, −inf for candidates beyond the border; and the candidates' raster numbers
        among the h×w centers, H×W×9 int64, the own cell standing in for those beyond the border.
    """
    (H, W), (h, w) = f.shape[1:3], keys.shape[1:3]
    with torch.autocast(f.device.type, enabled=False):
        cells = to_cells(to_regions(normalize(full(f)), 1, multiple=2), (h, w))
        scores = cells @ around(_framed(normalize(full(keys)))).transpose(-1, -2)
        scores = scores - compactness * _distances(cells)
    number, inside = _numbers(h, w, f.device)
    scores = scores.masked_fill(~inside, -float('inf'))
    scores, number = (from_cells(t, (2 * h, 2 * w))[:, :H, :W] for t in (scores, number.expand(1, h, w, 4, 9)))
    return scores, number[0]


def nearest(
    cells: Tensor, keys: Tensor, norms: Tensor | None = None, compactness: float = 0.0
) -> tuple[Tensor, Tensor]:
    """argmax of key · x / norm − compactness · d² over each position's nine candidates.

    At a tie the own cell wins, then the first in raster order.

    Args:
        cells: The positions x, cell by cell as of `to_cells`, B×h×w×P×C.
        keys: B×h×w×C.
        norms: Of the positions, B×h×w×P. Default: 1.
        compactness: What one squared cell costs, of 2×2 positions; see `near_scores`. Default: 0.

    Returns:
        Raster numbers of cells, B×h×w×P int64, and key · x / norm of these, B×h×w×P. No gradient: the choice has none.
    """
    norms = cells.new_ones(cells.shape[:4]) if norms is None else norms
    search = _search if is_exporting() else _nearest
    index, products = search(cells.detach(), keys.detach(), norms.detach(), compactness)
    return index, products


def to_cells(x: Tensor, coarse: tuple[int, int]) -> Tensor:
    """The positions of each cell, B×H×W×C → B×h×w×P×C; cells with fewer than P have some of others, too."""
    (H, W), (h, w) = x.shape[1:3], coarse
    if not _halves((H, W), coarse):
        rows, cols = (_members(fine, cells, x.device).flatten() for fine, cells in ((H, h), (W, w)))
        x = x.index_select(1, rows).index_select(2, cols)
    p, q = _per_cell((H, W), coarse)
    return x.reshape(-1, h, p, w, q, x.shape[3]).transpose(2, 3).reshape(-1, h, w, p * q, x.shape[3])


def from_cells(x: Tensor, size: tuple[int, int]) -> Tensor:
    """The inverse: B×h×w×P×C → B×H×W×C."""
    (H, W), (h, w) = size, x.shape[1:3]
    p, q = _per_cell(size, (h, w))
    x = x.reshape(-1, h, w, p, q, x.shape[4]).transpose(2, 3).reshape(-1, h * p, w * q, x.shape[4])
    if _halves(size, (h, w)):
        return x
    for dim, fine, cells, count in ((1, H, h, p), (2, W, w, q)):
        position = torch.arange(fine, device=x.device)
        cell = position * cells // fine
        x = x.index_select(dim, cell * count + position - _first(fine, cells, x.device)[cell])
    return x


def around(keys: Tensor) -> Tensor:
    """Each cell's nine candidates, of a map with a frame of one cell: B×(h+2)×(w+2)×C → B×h×w×9×C."""
    h, w = keys.shape[1] - 2, keys.shape[2] - 2
    return torch.stack([keys[:, 1 + i : 1 + i + h, 1 + j : 1 + j + w] for i, j in ORDER], 3)


def _steps(device: torch.device) -> tuple[Tensor, Tensor]:
    """`ORDER`, made on the device, so that nothing has to be copied there."""
    k = torch.arange(9, device=device)
    raster = torch.where(k == 0, 4, torch.where(k < 5, k - 1, k))
    return raster // 3 - 1, raster % 3 - 1


def _numbers(h: int, w: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Raster numbers of each cell's candidates, its own in place of those beyond the border, and which are within it:
    h×w×1×9."""
    down, right = _steps(device)
    rows, cols = (torch.arange(side, device=device)[:, None] for side in (h, w))
    row, col = (rows + down)[:, None], (cols + right)[None]
    inside = (row >= 0) & (row < h) & (col >= 0) & (col < w)
    number = torch.where(inside, row * w + col, rows[:, None] * w + cols)
    return number[:, :, None], inside[:, :, None]


def _distances(like: Tensor) -> Tensor:
    """Squared, in cells, from each of a cell's 2×2 positions to the middles of its candidates: 4×9."""
    slot = torch.arange(4, device=like.device)[:, None]
    down, right = _steps(like.device)
    y, x = (t.to(like.dtype) / 2 - 0.25 for t in (slot // 2, slot % 2))
    return (y - down).square() + (x - right).square()


def _best(cells: Tensor, norms: Tensor, keys: Tensor, inside: Tensor, compactness: float) -> tuple[Tensor, Tensor]:
    """Which of the nine is best, and its product, B×h×w×P×1 each.

    Args:
        cells, norms: B×h×w×P×C and ×1.
        keys: With their frame, B×(h+2)×(w+2)×C.
        inside: Which candidates are within the border, h×w×1×9.
    """
    products = (cells @ around(keys).transpose(-1, -2)).div_(norms)
    scores = products - compactness * _distances(products) if compactness else products.clone()
    best = scores.masked_fill_(~inside, -float('inf')).argmax(-1, keepdim=True)
    return best, products.gather(4, best)


def _search(cells: Tensor, keys: Tensor, norms: Tensor, compactness: float) -> tuple[Tensor, Tensor]:
    """`nearest`, some images or some of an image's rows of cells at once, whose candidates a CPU's caches hold."""
    B, h, w, C = keys.shape
    number, inside = _numbers(h, w, cells.device)
    keys, norms = _framed(keys), norms[..., None]
    if is_exporting():  # plain operators, and no loop
        best, products = _best(cells, norms, keys, inside, compactness)
    else:
        products = torch.empty_like(norms)
        best = torch.empty_like(norms, dtype=torch.int64)
        tile = max(1, tile_size(cells.device) // (9 * w * C))
        images, rows = max(1, tile // h), min(h, tile)
        for b in range(0, B, images):
            for i in range(0, h, rows):
                part, wider = (slice(b, b + images), slice(i, i + rows)), (slice(b, b + images), slice(i, i + rows + 2))
                best[part], products[part] = _best(cells[part], norms[part], keys[wider], inside[part[1]], compactness)
    return number.expand(*best.shape[:4], 9).gather(4, best)[..., 0], products[..., 0]


def _framed(keys: Tensor) -> Tensor:
    """With a frame of one cell, which is no candidate: B×h×w×C → B×(h+2)×(w+2)×C."""
    return F.pad(keys, (0, 0, 1, 1, 1, 1))


def _halves(fine: tuple[int, int], coarse: tuple[int, int]) -> bool:
    return surely(fine[0] == 2 * coarse[0]) and surely(fine[1] == 2 * coarse[1])


def _per_cell(fine: tuple[int, int], coarse: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of positions per cell, at most."""
    return (2, 2) if _halves(fine, coarse) else (ceil_div(fine[0], coarse[0]), ceil_div(fine[1], coarse[1]))


def _first(fine: int, coarse: int, device: torch.device) -> Tensor:
    """The first position of each cell along one side; that of position i is i · coarse // fine, as nearest-neighbour
    interpolation has it."""
    return (torch.arange(coarse, device=device) * fine + coarse - 1) // coarse


def _members(fine: int, coarse: int, device: torch.device) -> Tensor:
    """The positions of each cell along one side, coarse×p."""
    slot = torch.arange(ceil_div(fine, coarse), device=device)
    return (_first(fine, coarse, device)[:, None] + slot).clamp(max=fine - 1)


# One opaque operator to torch.compile, which would otherwise unroll the strips.
_nearest = _search
if hasattr(torch.library, 'custom_op'):  # torch 2.4
    _nearest = torch.library.custom_op('fec_mm::nearest', _search, mutates_args=())

    @_nearest.register_fake
    def _(cells: Tensor, keys: Tensor, norms: Tensor, compactness: float) -> tuple[Tensor, Tensor]:
        return torch.empty_like(norms, dtype=torch.int64), torch.empty_like(norms)
