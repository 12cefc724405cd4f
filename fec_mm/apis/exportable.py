"""What of a toolbox's model is a function of images alone, and can so be written for other programs.

Shapes: B images of H×W, as the data preprocessor leaves them; K classes; maps B×C×h×w.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fec_mm.errors import UserError
from fec_mm.ops.assign import scan
from fec_mm.ops.regions import ceil_div

PARTS = ('whole', 'neck', 'backbone')
CLASSES_AT_ONCE = 16


class Exportable(nn.Module):
    """A model, or a part of it, from images to a tuple of tensors.

    Args:
        model: Of one of the toolboxes, in evaluation mode.

    Attributes:
        channels: Of the images.
        missing: What the model does afterwards and this does not, for people.
    """

    channels = 3
    missing = ''

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def names(self, outputs: tuple[Tensor, ...]) -> list[str]:
        """What the outputs are called."""
        return ['logits']

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return (self.model(images, mode='tensor'),)


class Maps(Exportable):
    """The maps of a backbone, or of the neck behind it."""

    def __init__(self, model: Any, neck: bool) -> None:
        super().__init__(nn.Sequential(model.backbone, model.neck) if neck else model.backbone)

    def names(self, outputs: tuple[Tensor, ...]) -> list[str]:
        return [f'map_{i}' for i in range(1, len(outputs) + 1)]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps = self.model(images)
        return (maps,) if isinstance(maps, Tensor) else tuple(maps)


class Segmenter(Exportable):
    """Logits, B×K×h×w as the head has them, and the class ids, B×H×W int64, of the logits at the size of the
    images."""

    def names(self, outputs: tuple[Tensor, ...]) -> list[str]:
        return ['logits', 'labels']

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        head = self.model.decode_head
        logits = self.model(images, mode='tensor')
        size = (images.shape[2], images.shape[3])
        if head.out_channels == 1:
            return logits, (_resized(logits, size, head.align_corners)[:, 0].sigmoid() > head.threshold).long()
        return logits, labels(logits, size, head.align_corners)


class DenseHead(Exportable):
    """The maps of a one-stage detector's head: of each kind one for each level."""

    missing = 'anchors, decoding of boxes, and non-maximum suppression'
    kinds = ('cls_score', 'bbox_pred', 'score_factor')  # as `BaseDenseHead.predict_by_feat` of mmdet takes them

    def names(self, outputs: tuple[Tensor, ...]) -> list[str]:
        levels = len(self.model.bbox_head.prior_generator.strides)
        kinds = self.kinds[: len(outputs) // levels]
        return [f'{kind}_{level}' for kind in kinds for level in range(1, levels + 1)]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(level for kind in self.model(images, mode='tensor') for level in kind)


def labels(logits: Tensor, size: tuple[int, int], align_corners: bool) -> Tensor:
    """argmax over the classes of the resized logits, the first one at a tie, `CLASSES_AT_ONCE` classes at a time.

    All of them at the size of the image would be the largest tensor by far.

    Args:
        logits: B×K×h×w.
        size: (H, W).
        align_corners: As the head has it.

    Returns:
        B×H×W, int64.
    """
    best = logits.new_full((logits.shape[0], *size), -torch.inf)
    found = torch.zeros_like(best, dtype=torch.int64)
    if scan is not None and torch.onnx.is_in_onnx_export() and not torch.jit.is_tracing():
        return _scanned_labels(logits, best, found, align_corners)
    for first in range(0, logits.shape[1], CLASSES_AT_ONCE):
        best, found = _better(best, found, logits[:, first : first + CLASSES_AT_ONCE], first, align_corners)
    return found


def _scanned_labels(logits: Tensor, best: Tensor, found: Tensor, align_corners: bool) -> Tensor:
    """`labels` by ONNX's loop: of tiles that stand one after the other, onnxruntime would resize all first."""
    tiles = ceil_div(logits.shape[1], CLASSES_AT_ONCE)
    # Copies of the last class are not larger than it, and so never chosen.
    copies = logits[:, -1:].expand(-1, tiles * CLASSES_AT_ONCE - logits.shape[1], -1, -1)
    parts = torch.cat([logits, copies], 1).unflatten(1, (tiles, CLASSES_AT_ONCE)).transpose(0, 1)
    firsts = CLASSES_AT_ONCE * torch.arange(tiles, device=logits.device)

    def tile(carry: tuple[Tensor, Tensor], part: tuple[Tensor, Tensor]) -> tuple[tuple[Tensor, Tensor], Tensor]:
        return _better(*carry, *part, align_corners), part[1].clone()  # which wants something to collect

    return scan(tile, (best, found), (parts, firsts))[0][1]


def _better(
    best: Tensor, found: Tensor, logits: Tensor, first: int | Tensor, align_corners: bool
) -> tuple[Tensor, Tensor]:
    """The largest scores so far and their classes, B×H×W each, after those of the classes from `first` on."""
    score, index = _resized(logits, (best.shape[1], best.shape[2]), align_corners).max(1)
    return torch.maximum(score, best), torch.where(score > best, index + first, found)


def _resized(x: Tensor, size: tuple[int, int], align_corners: bool) -> Tensor:
    return F.interpolate(x, size, mode='bilinear', align_corners=align_corners)


def exportable(model: Any, scope: str, part: str = 'whole') -> Exportable:
    """What can be written of a model.

    Args:
        model: Of one of the toolboxes, in evaluation mode.
        scope: Its toolbox.
        part: whole, neck (backbone and neck) or backbone. Default: whole.

    Raises:
        UserError: It has no such part, or its predictions are no function of images alone.
    """
    if part != 'whole' and getattr(model, part, None) is None:
        raise UserError(f'{type(model).__name__} has no {part}: leave --part out')
    if part != 'whole':
        network: Exportable = Maps(model, part == 'neck')
    else:
        network = {'mmdet': _detector, 'mmseg': _segmenter}.get(scope, Exportable)(model)
    mean = getattr(model.data_preprocessor, 'mean', None)
    network.channels = 3 if mean is None else mean.numel()
    return network.eval()


def _segmenter(model: Any) -> Exportable:
    from mmseg.models.decode_heads.decode_head import BaseDecodeHead

    head = type(model.decode_head)
    plain = issubclass(head, BaseDecodeHead)
    if not plain or any(getattr(head, n) is not getattr(BaseDecodeHead, n) for n in ('predict', 'predict_by_feat')):
        raise UserError(f'{head.__name__} predicts in its own way, which is not exported: give --part backbone')
    return Segmenter(model)


def _detector(model: Any) -> Exportable:
    from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
    from mmdet.models.detectors import SingleStageDetector

    if isinstance(model, SingleStageDetector) and isinstance(model.bbox_head, BaseDenseHead):
        return DenseHead(model)
    raise UserError(
        f'{type(model).__name__} chooses boxes within the network, which is not exported: give --part neck for its '
        'maps, or use mmdeploy'
    )
