"""Where assignments can be watched, and learnt from."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fec_mm.ops import near_scores
from fec_mm.ops.vectors import full


class AssignmentTap(nn.Module):
    """Passes a layer's assignments through, so that a forward hook here records them and nothing is kept otherwise.

    The assignments are B×heads×H×W, int64: for each position the raster number of its center over the whole map. An
    encode layer's map has (regions·centers)² centers; a pooling layer's are the positions of the pooled map,
    ceil(H/2)×ceil(W/2), and it has one head.
    """

    @property
    def watched(self) -> bool:
        """Whether a hook is here: soft assignments are only looked for then."""
        return bool(self._forward_hooks)

    def forward(self, ids: Tensor, confidence: Tensor | None = None) -> Tensor:
        """The assignments; of soft ones they are the largest, and `confidence` is how large, B×heads×H×W."""
        return ids


class ScoreTap(nn.Module):
    """Where a loss gets at the soft assignments of a pooling with near candidates.

    Scores exist only in training, and while a forward hook is registered here: otherwise nothing is computed or kept.
    A hook gets them as `fec_mm.ops.near_scores` returns them, with gradients of the positions' and the centers'
    features: B×H×W×9 scores, and the candidates' raster numbers in the pooled map, H×W×9.

    Args:
        compactness: That of the pooling.
    """

    def __init__(self, compactness: float) -> None:
        super().__init__()
        self.compactness = compactness

    def forward(self, x: Tensor, centers: Tensor, projection: nn.Linear) -> tuple[Tensor, Tensor] | None:
        """The map that is pooled, B×H×W×C, its centers, B×h×w×C, and what makes features of both."""
        if not self._forward_hooks or not torch.is_grad_enabled():
            return None
        with torch.autocast(x.device.type, enabled=False):
            weight, bias = full(projection.weight), full(projection.bias)
            f, keys = (nn.functional.linear(full(t), weight, bias) for t in (x, centers))
        return near_scores(f, keys, self.compactness)
