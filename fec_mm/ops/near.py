"""Nine candidates for each position: the coarse cell that it lies in, and the eight cells around it.

Shapes: B images, H×W positions, h×w cells of 2×2 positions (h = ceil(H/2), w = ceil(W/2)), D channels. Nines are in the
order of `ORDER`: the own cell, then the others in raster order.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .clustering import full, normalize
from .regions import ceil_div

# Steps to the candidates, in rows and columns of cells.
ORDER = ((0, 0), (-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))


def near_scores(f: Tensor, keys: Tensor, compactness: float = 0.0) -> tuple[Tensor, Tensor]:
    """How well each position fits each of its nine candidates: cos(key, f) − compactness · d².

    d is the distance from the position to the middle of the candidate's cell, in cells. The softmax over the nine (of
    scores over a temperature) is a soft assignment, as in the literature on differentiable superpixels.

    Args:
        f: Features of the positions, B×H×W×D.
        keys: Features of the centers, B×ceil(H/2)×ceil(W/2)×D.
        compactness: What one squared cell costs. Default: 0.

    Returns:
        The scores, B×H×W×9, at least float32, −inf for candidates beyond the border; and the candidates' raster numbers
        among the h×w centers, H×W×9 int64, the own cell standing in for those beyond the border.
    """
    H, W = f.shape[1:3]
    h, w = keys.shape[1:3]
    with torch.autocast(f.device.type, enabled=False):
        scores = to_cells(normalize(full(f))) @ around(normalize(full(keys))).transpose(-1, -2)
        scores = scores - compactness * squared_distances(scores)
        index, inside = candidates(h, w, f.device)
        scores = scores.masked_fill(~inside[:, :, None], -float('inf'))
    index = index[:, :, None].expand(h, w, 4, 9)
    return from_cells(scores, (H, W)), from_cells(index[None], (H, W))[0]


def to_cells(x: Tensor) -> Tensor:
    """B×H×W×C → B×h×w×4×C, odd sides completed by zeros."""
    B, H, W, C = x.shape
    h, w = ceil_div(H, 2), ceil_div(W, 2)
    x = F.pad(x, (0, 0, 0, 2 * w - W, 0, 2 * h - H))
    return x.reshape(B, h, 2, w, 2, C).transpose(2, 3).reshape(B, h, w, 4, C)


def from_cells(x: Tensor, size: tuple[int, int]) -> Tensor:
    """B×h×w×4×C → B×H×W×C: the inverse."""
    B, h, w, _, C = x.shape
    x = x.reshape(B, h, w, 2, 2, C).transpose(2, 3).reshape(B, 2 * h, 2 * w, C)
    return x[:, : size[0], : size[1]]


def around(keys: Tensor, beyond: float = 0) -> Tensor:
    """The nine candidates' keys of each cell, B×h×w×D → B×h×w×9×D."""
    h, w = keys.shape[1:3]
    padded = F.pad(keys, (0, 0, 1, 1, 1, 1), value=beyond)
    return torch.stack([padded[:, 1 + i : 1 + i + h, 1 + j : 1 + j + w] for i, j in ORDER], 3)


def candidates(h: int, w: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Raster numbers of each cell's candidates, h×w×9 int64, its own in place of those beyond the border; and which are
    within it."""
    number = torch.arange(h * w, device=device).view(h, w)
    index = around(number[None, :, :, None], beyond=-1)[0, ..., 0]
    inside = index >= 0
    return torch.where(inside, index, number[..., None]), inside


def squared_distances(like: Tensor) -> Tensor:
    """From each of the 2×2 positions of a cell to the middles of its candidates, in cells: 4×9."""
    inner = like.new_tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]) / 4
    return (inner[:, None] - like.new_tensor(ORDER)).square().sum(-1)
