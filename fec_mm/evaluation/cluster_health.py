"""How healthy a clustering is: whether its centers are used, and evenly, and whether it stays when the image moves.

Shapes: ids are B×heads×h×w integers, the center of each position; label maps H×W integers.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from fec_mm.optional import optional


def cluster_sizes(ids: Tensor, centers: int) -> Tensor:
    """How many positions went to each center, B×heads×centers."""
    flat = ids.flatten(2)
    return flat.new_zeros(*flat.shape[:2], centers).scatter_add_(2, flat, torch.ones_like(flat))


def share_used(ids: Tensor, centers: int) -> Tensor:
    """The share of the centers that any position went to, B×heads; of as many centers as there are positions, where
    there are fewer of these."""
    possible = min(centers, ids[0, 0].numel())
    return (cluster_sizes(ids, centers) > 0).sum(2) / possible


def size_entropy(ids: Tensor, centers: int) -> Tensor:
    """The entropy of the clusters' sizes over the largest possible, B×heads: 1 where all are of one size, 0 where one
    has all positions.

    NaN where there is nothing to choose: of one center or one position.
    """
    possible = min(centers, ids[0, 0].numel())
    shares = cluster_sizes(ids, centers).double() / ids[0, 0].numel()
    entropy = torch.special.entr(shares).sum(2)
    return entropy / math.log(possible) if possible > 1 else torch.full_like(entropy, torch.nan)


def agreement(one: np.ndarray, other: np.ndarray) -> float:
    """The adjusted Rand index of two label maps: 1 for the same parts, whatever their labels; about 0 by chance."""
    return float(optional('sklearn.metrics', 'cluster health').adjusted_rand_score(one.ravel(), other.ravel()))
