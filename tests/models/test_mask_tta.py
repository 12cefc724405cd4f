"""Test-time augmentation of detectors with masks: by hand, and on a model."""

from __future__ import annotations

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

from fec_mm.models.mask_tta import MaskTTAModel

H, W = 20, 30
MASK = torch.zeros(H, W, dtype=torch.bool)
MASK[4:9, 3:11] = True
MASK[4, 3] = False  # without symmetry


class Module(torch.nn.Module):
    def test_step(self, data: dict) -> list:
        return data['samples']


def sample(boxes: list, scores: list, masks: list[Tensor] | None, direction: str | None = None) -> DetDataSample:
    """The predictions for a view, which is given as the image itself has them and turned here."""
    found = InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float).view(-1, 4),
        scores=torch.tensor(scores, dtype=torch.float),
        labels=torch.zeros(len(boxes), dtype=torch.long),
    )
    x0, y0, x1, y1 = found.bboxes.clone().unbind(1)
    if direction in ('horizontal', 'diagonal'):
        found.bboxes[:, 0], found.bboxes[:, 2] = W - x1, W - x0
    if direction in ('vertical', 'diagonal'):
        found.bboxes[:, 1], found.bboxes[:, 3] = H - y1, H - y0
    if masks is not None:
        dims = {'horizontal': [1], 'vertical': [0], 'diagonal': [0, 1], None: []}[direction]
        found.masks = (
            torch.stack([mask.flip(dims) for mask in masks]) if masks else torch.zeros(0, H, W, dtype=torch.bool)
        )
    return DetDataSample(
        pred_instances=found,
        metainfo=dict(ori_shape=(H, W), img_id=7, flip=direction is not None, flip_direction=direction),
    )


def merged(*views: DetDataSample, keep: int = 100) -> InstanceData:
    model = MaskTTAModel(module=Module(), tta_cfg=ConfigDict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=keep))
    (result,) = model.merge_preds([list(views)])
    return result.pred_instances


@pytest.mark.parametrize('direction', ['horizontal', 'vertical', 'diagonal'])
def test_masks_and_boxes_are_turned_back(direction: str) -> None:
    box = [3.0, 4.0, 11.0, 9.0]
    found = merged(sample([], [], []), sample([box], [0.9], [MASK], direction))
    torch.testing.assert_close(found.bboxes, torch.tensor([box]))
    assert torch.equal(found.masks, MASK[None])


def test_the_better_of_two_boxes_keeps_its_mask() -> None:
    other = MASK.roll(1, 1)
    far = torch.zeros_like(MASK)
    far[15:, 20:] = True
    found = merged(
        sample([[3, 4, 11, 9], [20, 15, 30, 20]], [0.6, 0.7], [MASK, far]),
        sample([[4, 4, 12, 9]], [0.8], [other], 'horizontal'),
    )
    assert found.scores.tolist() == pytest.approx([0.8, 0.7])
    assert torch.equal(found.masks, torch.stack([other, far]))
    assert len(merged(sample([[3, 4, 11, 9], [20, 15, 30, 20]], [0.6, 0.7], [MASK, far]), keep=1).masks) == 1


def test_boxes_alone_and_nothing_at_all() -> None:
    found = merged(sample([[3, 4, 11, 9]], [0.6], None), sample([[3, 4, 11, 9]], [0.8], None, 'horizontal'))
    assert found.scores.tolist() == pytest.approx([0.8]) and 'masks' not in found
    empty = merged(sample([], [], []), sample([], [], [], 'vertical'))
    assert empty.bboxes.shape == (0, 4) and empty.masks.shape == (0, H, W) and len(empty.scores) == 0
