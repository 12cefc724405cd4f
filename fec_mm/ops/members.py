"""Who belongs to whom: sums over clusters and their inverse, as one-hot matrix products or as scatters and gathers.

Shapes: G groups (images × regions), N positions, C or D channels, e heads, M centers per head.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .regions import is_exporting, kept


def one_hot_is_faster(heads: int, centers: int) -> bool:
    """The one place that decides between the two forms, by size and not by device.

    Products with one-hot matrices cost e·M per position and channel, but run at the speed of matrix products, and
    export to plain operators; scatters and gathers cost e, at the speed of memory. The limit was measured on CPUs. Both
    forms are deterministic on CUDA under `torch.use_deterministic_algorithms`.
    """
    return is_exporting() or heads * centers <= 128


def heads_at_once(heads: int, device: torch.device) -> int:
    """How many heads are summed in one operator: one on a CPU, whose caches do not hold copies of the map; elsewhere
    all, as launches count."""
    return 1 if device.type == 'cpu' else heads


class OneHot:
    """Assignments as the places of the entries of G×e×M×N matrices that are zero elsewhere.

    Args:
        index: G×N×e, int64, below M.
    """

    def __init__(self, index: Tensor, centers: int) -> None:
        self.index, self.centers = index, centers

    def own(self, score: Tensor) -> Tensor:
        """Each position's entry for its own center: G×e×M×N → G×N×e."""
        return score.gather(2, self.index.transpose(1, 2)[:, :, None]).squeeze(2).transpose(1, 2)

    def sum(self, x: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
        """Σ weight·x and Σ weight over each cluster: G×N×C, G×N×e (None: ones) → G×e×M×C, G×e×M."""
        if weight is None:
            weight = x.new_ones(()).expand(self.index.shape)
        chosen = self._matrix(weight.transpose(1, 2), self.index.transpose(1, 2), 2)
        return (chosen.flatten(1, 2) @ x).unflatten(1, chosen.shape[1:3]), chosen.sum(-1)

    def dispatch(self, table: Tensor, weight: Tensor) -> Tensor:
        """Σ over heads of weight · own center's row: G×e×M×C, G×N×e → G×N×C."""
        return self._matrix(weight, self.index, 3).flatten(2).to(table.dtype) @ table.flatten(1, 2)

    def _matrix(self, weight: Tensor, index: Tensor, dim: int) -> Tensor:
        """`weight` at the place of each index, the centers being a new dimension `dim`: 2 for sums, 3 for dispatch."""
        weight, index = weight.unsqueeze(dim), index.unsqueeze(dim)
        if is_exporting():
            center = torch.arange(self.centers, device=index.device).view(-1, *[1] * (3 - dim))
            return (index == center) * weight
        shape = [*weight.shape[:dim], self.centers, *weight.shape[dim + 1 :]]
        return weight.new_zeros(shape).scatter_(dim, index, weight)


class Indexed:
    """Assignments as row numbers into one table of all heads' and groups' centers; arguments as in `OneHot`."""

    def __init__(self, index: Tensor, centers: int) -> None:
        G, _, heads = index.shape
        self.index = index
        self.shape = heads, G, centers
        first = kept(_firsts)(heads, G, centers, like=index)
        self.rows = (index.permute(2, 0, 1) + first).flatten(1)  # e×(G·N)

    def dot(self, f: Tensor, table: Tensor) -> Tensor:
        """The product of each position with its own center: G×N×e×D, G×e×M×D → G×N×e."""
        own = table.transpose(0, 1).flatten(0, 2).index_select(0, self.rows.t().flatten())
        return (own.view(f.shape) * f).sum(-1)

    def sum(self, x: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
        """Σ weight·x and Σ weight over each cluster: G×N×C, G×N×e (None: ones) → G×e×M×C, G×e×M."""
        heads, G, M = self.shape
        flat = x.flatten(0, 1)
        share = None if weight is None else weight.flatten(0, 1).t()
        sums = x.new_zeros(heads * G * M, x.shape[2])
        step = heads_at_once(heads, x.device)
        for h in range(0, heads, step):
            rows = self.rows[h : h + step]
            part = flat.expand(len(rows), -1, -1) if share is None else flat * share[h : h + step, :, None]
            sums = add_rows(sums, rows.flatten(), part.reshape(-1, x.shape[2]))
        ones = x.new_ones(self.rows.numel()) if share is None else share.flatten()
        counts = add_rows(x.new_zeros(heads * G * M), self.rows.flatten(), ones)
        return sums.view(heads, G, M, -1).transpose(0, 1), counts.view(heads, G, M).transpose(0, 1)

    def dispatch(self, table: Tensor, weight: Tensor) -> Tensor:
        """Σ over heads of weight · own center's row: G×e×M×C, G×N×e → G×N×C."""
        y = F.embedding_bag(
            self.rows.t(),
            table.transpose(0, 1).flatten(0, 2),
            mode='sum',
            per_sample_weights=weight.flatten(0, 1).to(table.dtype),
        )
        return y.unflatten(0, weight.shape[:2])


def _firsts(heads: int, groups: int, centers: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Where the centers of each head and group begin, e×G×1."""
    return torch.arange(heads * groups, dtype=dtype, device=device).view(heads, groups, 1) * centers


def add_rows(table: Tensor, row: Tensor, values: Tensor) -> Tensor:
    """table[row[n]] + Σ values[n], in place where that can be."""
    if (
        torch.jit.is_tracing()
    ):  # the exporter to ONNX that builds on it takes the last of several values of a row instead
        return table.scatter_add(0, row.view(-1, *[1] * (values.dim() - 1)).expand_as(values), values)
    return table.index_add_(0, row, values)
