"""Sums that backward passes collect tile by tile.

Shapes: …×n×K and …×n×L, the rows of a tile.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor


class Total:
    """A sum, whose first summand is taken as it is: one tile alone costs no operator more."""

    value: Any = None

    def add(self, value: Tensor) -> None:
        self.value = value if self.value is None else self.value.add_(value)

    def product(self, left: Tensor, right: Tensor) -> None:
        """leftᵀ · right over the rows of a tile, …×K×L."""
        left = left.transpose(-2, -1)
        if self.value is None:
            self.value = left @ right
        else:
            (self.value.addmm_ if left.dim() == 2 else self.value.baddbmm_)(left, right)
