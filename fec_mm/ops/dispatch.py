"""From a coarser map to a finer one: each position takes the feature of the representative that is most similar to it.

Shapes: B images, a fine map of H×W positions, a coarse one of h×w representatives, D channels to compare, C channels to
send.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .assign import assign
from .clustering import full, normalize, similarity_of
from .members import Indexed
from .regions import pool_by, pooling_matrix, surely

STEPS = (-1, 0, 1)
# Pairs of numbers of steps; the others in raster order.
OWN_CELL_FIRST = ((1, 1), (0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2))


def cell_means(f: Tensor, coarse: tuple[int, int]) -> Tensor:
    """Adaptive average pooling to one key for each representative: B×H×W×D, (h, w) → B×h×w×D, at least float32."""
    with torch.autocast(f.device.type, enabled=False):
        f = full(f)
        h, w = coarse
        if surely(f.shape[1] == 2 * h) and surely(f.shape[2] == 2 * w):
            # What the matrices give for maps that halve, which are linear in the pixels this way.
            return (f[:, ::2, ::2] + f[:, ::2, 1::2] + f[:, 1::2, ::2] + f[:, 1::2, 1::2]) / 4
        rows, cols = (pooling_matrix(side, side, 1, cell, f)[0] for side, cell in zip(f.shape[1:3], coarse))
        return pool_by(rows, cols, f)


def most_similar(f: Tensor, keys: Tensor, alpha: Tensor, beta: Tensor, *, near: bool = True) -> tuple[Tensor, Tensor]:
    """The representative with the largest s = sigmoid(β + α·cos(key, f)) of each position.

    Args:
        f: Features of the positions, B×H×W×D.
        keys: Those of the representatives, B×h×w×D.
        alpha, beta: Scale and shift of the cosine, one element each; alpha may be negative.
        near: Whether the candidates are the coarse cell that a position lies in and its eight neighbours, or all. At a
            tie it is the own cell, then the first in raster order; of all, the first.

    Returns:
        Raster positions in the coarse map, B×H×W int64, and s, B×H×W, at least float32, with gradients of the chosen
        pair.
    """
    with torch.autocast(f.device.type, enabled=False):
        f, keys = full(f), normalize(full(keys))
        # As the sigmoid is monotonic; all candidates tie where alpha is zero.
        signed = keys.detach() * alpha.detach().sign().to(keys.dtype)
        if near:
            index = _best_neighbour(f.detach(), signed)
        else:
            signed = signed.flatten(1, 2)[:, None]
            index = assign(f.flatten(1, 2), signed, signed.new_zeros(signed.shape[:3])).view(f.shape[:3])
        members = Indexed(index.flatten(1)[..., None], keys.shape[1] * keys.shape[2])
        dot = members.dot(f.flatten(1, 2)[:, :, None], keys.flatten(1, 2)[:, None]).view(index.shape)
        return index, similarity_of(dot, f, alpha, beta)


def dispatch(x: Tensor, values: Tensor, index: Tensor, similarity: Tensor) -> Tensor:
    """x and each position's representative, scaled by its similarity: B×C×H×W, B×C×h×w, B×H×W, B×H×W → B×C×H×W.

    Channels first, unlike the rest of the operators: x is a convolution's output of that layout, and transposing it
        would cost
    more than all of this.
    """
    B, C = values.shape[:2]
    own = values.flatten(2).gather(2, index.flatten(1)[:, None].expand(-1, C, -1))
    return torch.addcmul(x, own.view(B, C, *index.shape[1:]), similarity[:, None].to(values.dtype))


def cells(fine: int, coarse: int, device: torch.device) -> Tensor:
    """The coarse cell of each fine position along one side, as nearest-neighbour interpolation has it."""
    return torch.arange(fine, device=device) * coarse // fine


def _best_neighbour(f: Tensor, keys: Tensor) -> Tensor:
    """argmax of f·key over a position's own cell and its neighbours: B×H×W×D, B×h×w×D → B×H×W.

    Beyond the border the nearest cell within stands in, which is a candidate anyway.
    """
    (H, W), (h, w) = f.shape[1:3], keys.shape[1:3]
    rows = [(cells(H, h, f.device) + i).clamp(0, h - 1) for i in STEPS]
    cols = [(cells(W, w, f.device) + j).clamp(0, w - 1) for j in STEPS]
    bands = [keys.index_select(1, row) for row in rows]
    best = index = None
    for i, j in OWN_CELL_FIRST:
        score = (f * bands[i].index_select(2, cols[j])).sum(-1)
        place = (rows[i][:, None] * w + cols[j]).expand_as(score)
        if best is None or index is None:
            best, index = score, place
        else:
            better = score > best
            best, index = torch.where(better, score, best), torch.where(better, place, index)
    assert index is not None
    return index
