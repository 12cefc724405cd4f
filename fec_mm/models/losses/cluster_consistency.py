"""A loss that wants clusters to fit what they are clusters of.

Shapes: B images, H×W positions of the stem's map, K classes; scores are B×H×W×9, see `fec_mm.ops.near_scores`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fec_mm.ops import reconstruct
from fec_mm.ops.vectors import full
from fec_mm.registry import MODELS

TARGETS = ('labels', 'colours')
SMALLEST = 1e-4  # of a reconstructed share of a class, before its logarithm


@MODELS.register_module()
class ClusterConsistencyLoss(nn.Module):
    """How badly positions are reconstructed from the soft clusters that they belong to, at every level of pooling.

    Each position belongs to its nine candidates by the softmax of its scores. A cluster's mean is that of its
    positions, and a position's reconstruction that of its clusters' means: of the labels' shares, by cross-entropy, or
    of the colours, by the squared error; and of the place, by the squared distance. This is the loss of differentiable
    superpixels (SSN, Jampani et al., 2018; SpixelFCN, Yang et al., 2020), along a hierarchy of them.
    `fec_mm.ClusterLossHook` adds it to a training.

    Args:
        target: What is reconstructed beside the place: 'labels', of a segmentation data set, or 'colours', of the
            normalised images, for which nobody has to draw. Default: 'labels'.
        num_classes: K, of labels.
        loss_weight: What the mean over levels is multiplied by. Default: 1.
        position_weight: What the squared distance from a position to its reconstruction costs, with the side of the
            level's cells as the unit: the larger, the more compact. Default: 0.1.
        temperature: Of the softmax over scores, which are cosines. Default: 0.05.
        ignore_index: Label of the pixels that do not count. Default: 255.

    Raises:
        ValueError: An unknown target, labels without `num_classes`, a temperature that is not positive.
    """

    def __init__(
        self,
        target: str = 'labels',
        num_classes: int | None = None,
        loss_weight: float = 1.0,
        position_weight: float = 0.1,
        temperature: float = 0.05,
        ignore_index: int = 255,
    ) -> None:
        super().__init__()
        if target not in TARGETS:
            raise ValueError(f'ClusterConsistencyLoss: target={target!r} must be one of {", ".join(TARGETS)}')
        if (target == 'labels') != (num_classes is not None):
            raise ValueError("ClusterConsistencyLoss: give num_classes with target='labels', and only with it")
        if temperature <= 0:
            raise ValueError(f'ClusterConsistencyLoss: temperature={temperature} must be positive')
        self.target, self.num_classes, self.loss_weight = target, num_classes, loss_weight
        self.position_weight, self.temperature, self.ignore_index = position_weight, temperature, ignore_index

    def forward(self, scores: Sequence[Tensor], images: Tensor, labels: Tensor | None = None) -> Tensor:
        """The loss of a batch, in float32.

        Args:
            scores: Of the pooling layers, from the finest to the coarsest map, B×H×W×9 each.
            images: As the backbone gets them, B×C×H'×W'.
            labels: B×H'×W', of 0 to K − 1 or `ignore_index`. Only for the target 'labels'.
        """
        size = scores[0].shape[1:3]
        with torch.autocast(images.device.type, enabled=False):
            if self.num_classes is None or labels is None:
                values = to_positions(full(images), size)
                weight = values.new_ones(len(values), *size, 1)
            else:
                shares = to_positions(label_maps(labels, self.num_classes, self.ignore_index), size)
                weight = shares.sum(-1, keepdim=True)
                values = shares / weight.clamp(min=1e-12)
            values = torch.cat([values, places(values)], -1)
            total = values.new_zeros(())
            for level, found in enumerate(reconstruct(scores, values, weight, self.temperature), 1):
                errors = self._errors(found[..., :-2], values[..., :-2])
                distances = (found[..., -2:] - values[..., -2:]).square().sum(-1) / 4**level
                total = total + ((errors + self.position_weight * distances) * weight[..., 0]).sum()
            return self.loss_weight * total / (len(scores) * weight.sum().clamp(min=1))

    def _errors(self, found: Tensor, values: Tensor) -> Tensor:
        """Of each position, B×H×W."""
        if self.target == 'colours':
            return (found - values).square().mean(-1)
        return -(values * found.clamp(min=SMALLEST).log()).sum(-1)


def label_maps(labels: Tensor, classes: int, ignore_index: int) -> Tensor:
    """One map for each class, B×K×H×W, all zero where a pixel does not count."""
    valid = (labels != ignore_index) & (labels >= 0) & (labels < classes)
    return F.one_hot(torch.where(valid, labels, classes).long(), classes + 1)[..., :classes].permute(0, 3, 1, 2).float()


def to_positions(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Means over the pixels that each position of the stem sees: B×K×H'×W' → B×H×W×K."""
    strides = [pixels // positions for pixels, positions in zip(maps.shape[2:], size)]
    means = F.avg_pool2d(maps, strides)
    return means[:, :, : size[0], : size[1]].permute(0, 2, 3, 1)


def places(like: Tensor) -> Tensor:
    """Row and column of each position, B×H×W×2."""
    B, H, W = like.shape[:3]
    rows, cols = (torch.arange(side, device=like.device, dtype=like.dtype) for side in (H, W))
    return torch.stack(torch.meshgrid(rows, cols, indexing='ij'), -1).expand(B, H, W, 2)
