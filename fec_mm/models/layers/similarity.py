"""Learnt similarities with one scale and shift for each center."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fec_mm.ops.ensemble import Similarity

from .tap import AssignmentTap


def of_length(vector: Tensor, length: int) -> Tensor:
    """A vector for another number of centers, as EnFormer's authors go from classification to dense prediction: the
    first entries or, of a shorter one, all and then their mean."""
    missing = max(0, length - len(vector))
    return torch.cat([vector[:length], vector.mean(0, keepdim=True).expand(missing)])


class VectorSimilarity(nn.Module):
    """Scale and shift of the cosine with each of M centers.

    Weights for another number of centers are taken too when they are loaded; see `of_length`.

    Its tap sees the assignments by it, of soft ones the largest and how large it is.

    Args:
        centers: M.
    """

    def __init__(self, centers: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(centers))
        self.beta = nn.Parameter(torch.zeros(centers))
        self.tap = AssignmentTap()

    def forward(self) -> Similarity:
        return Similarity(self.alpha, self.beta)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        for key, parameter in self.named_parameters(recurse=False):
            vector = state_dict.get(prefix + key)
            if vector is not None and vector.dim() == 1 and 0 < len(vector) != len(parameter):
                state_dict[prefix + key] = of_length(vector, len(parameter))
        super()._load_from_state_dict(state_dict, prefix, *args)
