"""Multiply-adds of our operators for `torch.utils.flop_counter`, which knows none but torch's own.

Importing it registers them. Shapes: see `assign` and `near`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.utils import flop_counter

from . import assign, near  # noqa: F401  # which make the operators

Shape = tuple[int, ...]


def _assign(x: Shape, queries: Shape, *_: Any, **__: Any) -> int:
    """Every position with every center of every head: one product."""
    (G, N, C), (heads, M) = x, queries[1:3]
    return 2 * G * N * heads * M * C


def _nearest(cells: Shape, *_: Any, **__: Any) -> int:
    """Every position with nine candidates."""
    return 2 * 9 * math.prod(cells)


def _in_place(_out: Shape, x: Shape, weight: Shape, *_: Any, **__: Any) -> int:
    """`addmm_`, beside the `addmm` that is known."""
    (n, k), m = x, weight[1]
    return 2 * n * k * m


def register() -> None:
    """Tell the counter; where there is none, as before torch 2.2, or where it knows an operator, it stays as it is."""
    formulas: dict[Any, Callable[..., int]] = {torch.ops.aten.addmm_: _in_place}
    if hasattr(torch.library, 'custom_op'):  # torch 2.4; without it the counter sees the products one by one
        formulas.update({torch.ops.fec_mm.assign: _assign, torch.ops.fec_mm.nearest: _nearest})
    for operator, formula in formulas.items():
        if hasattr(flop_counter, 'register_flop_formula') and operator not in flop_counter.flop_registry:
            flop_counter.register_flop_formula(operator)(formula)


register()
