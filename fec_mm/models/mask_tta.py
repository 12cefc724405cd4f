"""Test-time augmentation of detectors, with masks where they predict some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.ops import batched_nms
from mmdet.models.test_time_augs import DetTTAModel
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_flip
from mmengine.registry import MODELS
from mmengine.structures import InstanceData
from torch import Tensor

# The dimensions of N×H×W masks that each `flip_direction` turns.
FLIPPED = {'horizontal': [2], 'vertical': [1], 'diagonal': [1, 2]}


@MODELS.register_module('DetTTAModel', force=True)
class MaskTTAModel(DetTTAModel):
    """In place of mmdet's, which takes detectors of boxes alone: a box that is kept keeps its mask, which is not
    averaged.

    Args:
        **kwargs: Of mmdet's, `module` and `tta_cfg`: `nms`, and how many boxes an image may have, `max_per_img`.
    """

    def _merge_single_sample(self, data_samples: Sequence[DetDataSample]) -> DetDataSample:
        """The predictions for the views of an image as one: those of all views, by non-maximum suppression."""
        tta_cfg: Any = self.tta_cfg
        views = InstanceData.cat([_upright(sample) for sample in data_samples])
        result = data_samples[0]
        result.pred_instances = views
        if not len(views):
            return result
        boxes, kept = batched_nms(views.bboxes, views.scores, views.labels, tta_cfg.nms)
        boxes, kept = boxes[: tta_cfg.max_per_img], kept[: tta_cfg.max_per_img]
        merged = views[kept]
        merged.bboxes, merged.scores = boxes[:, :-1], boxes[:, -1]
        result.pred_instances = merged
        return result


def _upright(sample: DetDataSample) -> InstanceData:
    """The predictions for one view, where they are in the image."""
    found = sample.pred_instances
    turned = InstanceData(bboxes=found.bboxes, scores=found.scores, labels=found.labels)
    masks: Tensor | None = found.get('masks')
    if sample.metainfo.get('flip'):
        direction = sample.metainfo['flip_direction']
        turned.bboxes = bbox_flip(found.bboxes, sample.metainfo['ori_shape'], direction)
        masks = None if masks is None else torch.flip(masks, FLIPPED[direction])
    if masks is not None:
        turned.masks = masks
    return turned
