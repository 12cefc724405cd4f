"""All that one forward shows of one image.

Shapes: a picture is H'×W'×3 (RGB, uint8), the upper left part of the H×W that the network got; features are 1×C×h×w.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fec_mm.clusters import Assignments, cluster_levels, layer_labels, merge_regions, record_assignments
from fec_mm.errors import shown

from .inputs import TestPipeline


@dataclass
class Look:
    """A picture and what a model assigned in it.

    Attributes:
        name: of the file, as `fec_mm.errors.shown` gives it.
        image: the picture, H'×W'×3.
        record: the assignments, of one image.
        features: the backbone's last output.
        logits: of a classifier whose logits are sums over positions, one per class; otherwise None.
        shares: of the same, the part of each logit that each position of `features` adds, classes×h×w.
    """

    name: str
    image: np.ndarray
    record: Assignments
    features: Tensor
    logits: Tensor | None = None
    shares: Tensor | None = None

    def levels(self) -> list[Tensor]:
        """The label map of every level, 1×H'×W' each, without padding; none without clustering-based pooling."""
        return self.required_levels() if self.record.pools else []

    def required_levels(self) -> list[Tensor]:
        """The same; raises as `cluster_levels` where there are none."""
        return [self._without_padding(labels) for labels in cluster_levels(*self._grids())]

    def groups(self, count: int) -> Tensor:
        """The clusters of the last level merged to so many groups, 1×H'×W'; raises as `merge_regions`."""
        return merge_regions(self.levels()[-1], self.features, self.image[None], count)

    def possible_groups(self, wanted: int) -> int:
        """How many groups there can be: as many as wanted, or as the last level has clusters; the latter is said."""
        clusters = len(self.levels()[-1].unique())
        if wanted > clusters:
            print(f'{self.name}: its last level has {clusters} clusters, which are {clusters} groups, not {wanted}')
        return min(wanted, clusters)

    def head(self, layer: str, head: int) -> Tensor:
        """The centers that the pixels went to in one head of an encode layer, 1×H'×W'."""
        ids = self.record.encodes[layer][:, head : head + 1]
        return self._without_padding(layer_labels(ids, *self._grids())[:, 0])

    def confidence(self, layer: str, head: int) -> Tensor | None:
        """How large the pixels' memberships in those centers are, 1×H'×W'; None where assignments are hard."""
        if layer not in self.record.confidences:
            return None
        shares = self.record.confidences[layer][:, head : head + 1]
        return self._without_padding(layer_labels(shares, *self._grids())[:, 0])

    def _grids(self) -> tuple[list[Tensor], tuple[int, int], tuple[int, int]]:
        return self.record.pools, self.record.image_size, self.record.stem_size

    def _without_padding(self, labels: Tensor) -> Tensor:
        return labels[..., : self.image.shape[0], : self.image.shape[1]]


@torch.no_grad()
def look_at(path: str, model: Any, pipeline: TestPipeline) -> Look:
    """Run a model of the toolboxes on an image file.

    Raises:
        UserError: The file is no image, the model has no clustering layer.
    """
    image, batch = pipeline(path, model)
    with record_assignments(model.backbone) as record:
        outputs = model.backbone(batch)
    look = Look(shown(path.replace('\\', '/').rsplit('/', 1)[-1]), image, record, outputs[-1])
    parts = logit_shares(model, outputs[-1])
    if parts is not None:
        shares, bias = parts
        look.shares, look.logits = shares[0], shares[0].sum((1, 2)) + bias
    return look


def logit_shares(model: nn.Module, features: Tensor) -> tuple[Tensor, Tensor] | None:
    """What each position adds to each logit of a classifier that averages its last map: exact, logit = Σ shares + bias.

    The logits are W·mean(y) + bias with y the normalised features, so that position n adds W·y_n / (h·w). The norm's
    mean and deviation, which all positions share, are taken as they are.

    Args:
        model: Of mmpretrain, whose neck is GlobalAveragePooling and whose head is LinearClsHead.
        features: The backbone's last output, after its norm, B×C×h×w.

    Returns:
        The shares, B×classes×h×w, and the bias, one per class; None for any other model.
    """
    head = getattr(model, 'head', None)
    kinds = type(getattr(model, 'neck', None)).__name__, type(head).__name__
    if head is None or kinds != ('GlobalAveragePooling', 'LinearClsHead'):
        return None
    fc: Any = head.fc
    shares = torch.einsum('kc,bchw->bkhw', fc.weight, features) / features[0, 0].numel()
    return shares, fc.bias
