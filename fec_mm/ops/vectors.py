"""Lengths and cosines of vectors, …×D."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .regions import is_exporting

EPS = 1e-12  # that of torch.nn.functional.normalize


def similarity_of(dot: Tensor, f: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """sigmoid(β + α·cos) of chosen pairs, from the products with the normalised centers; f: …×D, dot: ….

    The position's norm does not change the choice, and is only needed here.
    """
    return torch.sigmoid(full(beta) + full(alpha) * (dot / length(f)[..., 0]))


def normalize(x: Tensor) -> Tensor:
    """Vectors of length 1, by the last dimension."""
    return x / length(x)


def length(x: Tensor) -> Tensor:
    """Of vectors, …×D, as …×1.

    Of a vector that is zero it is infinite: its cosines are 0 as with torch.nn.functional.normalize, and it has no
    gradient, which there is 1e12 times that of the others.
    """
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    if is_exporting():  # whose operators have no such threshold
        return norm.masked_fill(norm <= EPS, float('inf'))
    return F.threshold(norm, EPS, float('inf'))


def full(x: Tensor) -> Tensor:
    """At least float32."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def row_products(a: Tensor, b: Tensor) -> Tensor:
    """The products of the rows of two matrices, N×D → N, by one operator."""
    return (a[:, None] @ b[:, :, None]).flatten()
