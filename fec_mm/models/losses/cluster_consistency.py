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

    def forward(
        self,
        scores: Sequence[Tensor],
        images: Tensor,
        labels: Tensor | None = None,
        sizes: Sequence[tuple[int, int]] | None = None,
    ) -> Tensor:
        """The loss of a batch, in float32.

        Args:
            scores: Of the pooling layers, from the finest to the coarsest map, B×H×W×9 each.
            images: As the backbone gets them, B×C×H'×W'.
            labels: B×H'×W', of 0 to K − 1 or `ignore_index`. Only for the target 'labels'.
            sizes: Height and width of each image without its padding at the bottom and on the right, which does not
                count. Only for the target 'colours'. Default: there is none.
        """
        size = scores[0].shape[1:3]
        with torch.autocast(images.device.type, enabled=False):
            if self.num_classes is None or labels is None:
                values = to_positions(full(images), size)
                weight = to_positions(inside(images, sizes), size)
            else:
                shares = label_shares(labels, self.num_classes, self.ignore_index, size)
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


def label_shares(labels: Tensor, classes: int, ignore_index: int, size: Sequence[int]) -> Tensor:
    """The shares of the classes in the pixels that each position of the stem sees: B×H'×W' → B×H×W×K.

    Pixels that do not count are in no class. They are counted where they are: a map for each class of all pixels would
    be the largest tensor of the training.
    """
    (H, W), (high, wide) = size, strides_of(labels.shape[1:], size)
    valid = (labels != ignore_index) & (labels >= 0) & (labels < classes)
    label = torch.where(valid, labels, classes).long()[:, : H * high, : W * wide]
    position = torch.arange(len(labels) * H * W, device=labels.device).view(-1, H, 1, W, 1)
    place = (position * (classes + 1) + label.view(-1, H, high, W, wide)).flatten()
    counts = torch.zeros(len(labels) * H * W * (classes + 1), device=labels.device)
    counts.scatter_add_(0, place, counts.new_ones(1).expand(len(place)))
    return counts.view(-1, H, W, classes + 1)[..., :classes] / (high * wide)


def inside(images: Tensor, sizes: Sequence[tuple[int, int]] | None) -> Tensor:
    """Which pixels are of the images and not of their padding, B×1×H'×W', 0 and 1."""
    H, W = images.shape[2:]
    high, wide = torch.tensor(sizes or [(H, W)] * len(images), device=images.device).view(-1, 2, 1).unbind(1)
    rows, cols = (torch.arange(side, device=images.device) for side in (H, W))
    return ((rows < high)[:, None, :, None] & (cols < wide)[:, None, None, :]).float()


def to_positions(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Means over the pixels that each position of the stem sees: B×K×H'×W' → B×H×W×K."""
    means = F.avg_pool2d(maps, strides_of(maps.shape[2:], size))
    return means[:, :, : size[0], : size[1]].permute(0, 2, 3, 1)


def strides_of(pixels: Sequence[int], positions: Sequence[int]) -> tuple[int, int]:
    """The sides of what a position sees, in pixels."""
    return pixels[0] // positions[0], pixels[1] // positions[1]


def places(like: Tensor) -> Tensor:
    """Row and column of each position, B×H×W×2."""
    B, H, W = like.shape[:3]
    rows, cols = (torch.arange(side, device=like.device, dtype=like.dtype) for side in (H, W))
    return torch.stack(torch.meshgrid(rows, cols, indexing='ij'), -1).expand(B, H, W, 2)
