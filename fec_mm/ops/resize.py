"""Maps of other sizes by two small matrix products: deterministic on every device, and plain operators when exported.

Shapes: B images, H×W positions, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .regions import kept, pool_by, pooling_matrix


def adaptive_means(x: Tensor, sides: Sequence[int]) -> list[Tensor]:
    """Adaptive average pooling to m×m for each m of `sides`, reading the map once: B×H×W×C → B×m×m×C each."""
    B, H, W, C = x.shape
    rows, lines = [pooling_matrix(H, H, 1, side, x)[0] for side in sides], x.reshape(B, H, W * C)
    if torch.compiler.is_compiling():
        # Inductor of torch 2.11 fails to simplify the windows' numbers within a concatenation.
        bands = [(matrix @ lines).unflatten(2, (W, C)) for matrix in rows]
    else:
        bands = list((torch.cat(rows) @ lines).unflatten(2, (W, C)).split(list(sides), 1))
    return [pooling_matrix(W, W, 1, side, x)[0] @ band for side, band in zip(sides, bands)]


def bilinear(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear interpolation without aligned corners: B×h×w×C → B×H×W×C."""
    rows, cols = (kept(_bilinear_matrix)(old, new, like=x) for old, new in zip(x.shape[1:3], size))
    return pool_by(rows, cols, x)


def _bilinear_matrix(old: int, new: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """One side of `torch.nn.functional.interpolate`, new×old."""
    # In the precision of the map, as PyTorch has it.
    place = ((torch.arange(new, device=device).to(dtype) + 0.5) * (old / new) - 0.5).clamp(min=0)
    before = place.floor().clamp(max=old - 1)
    after = (before + 1).clamp(max=old - 1)
    share = (place - before)[:, None]
    column = torch.arange(old, device=device)
    return (column == before[:, None]) * (1 - share) + (column == after[:, None]) * share
