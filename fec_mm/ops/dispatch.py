"""From a coarser map to a finer one: each position takes the feature of the representative that is most similar to it.

Shapes: B images, a fine map of H×W positions, a coarse one of h×w representatives, D channels to compare, C channels to
send.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .assign import assign
from .members import Indexed
from .near import from_cells, nearest, to_cells
from .regions import pool_by, pooling_matrix, surely
from .vectors import full, normalize, similarity_of


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
            best, _ = nearest(to_cells(f, (keys.shape[1], keys.shape[2])), signed)
            index = from_cells(best[..., None], (f.shape[1], f.shape[2]))[..., 0]
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
