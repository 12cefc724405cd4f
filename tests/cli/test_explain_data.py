"""Lines on data of one's own that a run meets later; those of its start are in tests/catalogue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from mmdet.evaluation import CocoMetric

from fec_mm.cli.explain import explain


def measured(folder: Path, label: int, metric: str = 'bbox') -> str | None:
    """What is said of a prediction of this label, by a model without masks, for data of one class."""
    box = dict(
        id=1, image_id=0, category_id=1, bbox=[1, 1, 9, 9], area=81, iscrowd=0, segmentation=[[1, 1, 9, 1, 9, 9]]
    )
    content = dict(
        images=[dict(id=0, file_name='a.png', width=64, height=64)],
        annotations=[box],
        categories=[dict(id=1, name='box')],
    )
    (folder / 'a.json').write_text(json.dumps(content))
    coco: Any = CocoMetric(str(folder / 'a.json'), metric=metric)
    coco.dataset_meta = dict(classes=('box',))
    pred = dict(bboxes=torch.tensor([[1.0, 1.0, 10.0, 10.0]]), scores=torch.ones(1), labels=torch.tensor([label]))
    coco.process({}, [dict(pred_instances=pred, img_id=0, ori_shape=(64, 64))])
    try:
        assert coco.evaluate(1)['coco/bbox_mAP'] == pytest.approx(1)
    except (IndexError, KeyError) as error:
        return explain(error)
    return None


def test_a_label_beyond_the_classes(tmp_path: Path) -> None:
    assert measured(tmp_path, 0) is None
    assert measured(tmp_path, 7) == (
        'CocoMetric has 1 classes and the model predicts class 7: set num_classes of its heads to the number of '
        'classes, or '
        'correct metainfo.classes'
    )


def test_masks_that_the_model_does_not_have(tmp_path: Path) -> None:
    assert (
        measured(tmp_path, 0, 'segm')
        == "the model yields no masks, and its evaluator measures 'segm': set metric='bbox'"
    )


def test_other_errors_are_not_explained() -> None:
    for error in (
        IndexError('out of range'),
        KeyError('segm'),
        TypeError("got an unexpected keyword argument 'split'"),
    ):
        assert explain(error) is None
