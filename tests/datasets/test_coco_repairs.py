"""What a COCO file may lack, against what mmdet measures of a whole one."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmdet.datasets import CocoDataset
from mmdet.evaluation import CocoMetric

from fec_mm.datasets.coco_repairs import id_of, repair_coco

WIDTH, HEIGHT = 40, 30


def content() -> dict[str, list[dict[str, Any]]]:
    """Two images with three rectangles each, as boxes, polygons and areas."""
    annotations = []
    for number in range(6):
        x, y, w, h = 2 + 3 * number, 1 + number, 6 + number, 8
        annotations.append(
            dict(
                id=number + 1,
                image_id=number // 3,
                category_id=1,
                bbox=[x, y, w, h],
                area=w * h,
                iscrowd=0,
                segmentation=[[x, y, x + w, y, x + w, y + h, x, y + h]],
            )
        )
    return {
        'images': [dict(id=i, file_name=f'{i}.png', width=WIDTH, height=HEIGHT) for i in (0, 1)],
        'annotations': annotations,
        'categories': [dict(id=1, name='box')],
    }


def damage(kind: str) -> dict[str, list[dict[str, Any]]]:
    damaged = content()
    for number, ann in enumerate(damaged['annotations']):
        if kind == 'no iscrowd':
            del ann['iscrowd']
        elif kind == 'iscrowd null':
            ann['iscrowd'] = None
        elif kind == 'iscrowd text':
            ann['iscrowd'] = '0'
        elif kind == 'no area':
            del ann['area']
        elif kind == 'area null':
            ann['area'] = None
        elif kind == 'area NaN':
            ann['area'] = float('nan')
        elif kind == 'area without masks':
            del ann['area'], ann['segmentation']
        elif kind == 'run lengths':
            x, y, w, h = ann['bbox']
            mask = np.zeros((HEIGHT, WIDTH), int)
            mask[y : y + h, x : x + w] = 1
            flat = [0, *mask.flatten('F'), 1 - mask.flatten('F')[-1]]
            steps = np.flatnonzero(np.diff(flat))
            ann.update(area=None, segmentation=dict(size=[HEIGHT, WIDTH], counts=np.diff([0, *steps]).tolist()))
        elif kind != 'whole':
            ann['id'] = {
                'from 0': number,
                'once': 7,
                'text': str(number),
                'null': None,
                'whole floats': float(number + 1),
            }[kind]
    return damaged


IDS = ['from 0', 'once', 'text', 'null', 'whole floats']
KINDS = [
    *IDS,
    'no iscrowd',
    'iscrowd null',
    'iscrowd text',
    'no area',
    'area null',
    'area NaN',
    'area without masks',
    'run lengths',
]


def measured(path: Path) -> dict[str, float]:
    """The score of finding the first two objects of each image, by mmdet."""
    metric = CocoMetric(str(path), classwise=True)
    metric.dataset_meta = dict(classes=('box',))
    boxes = {i: [ann['bbox'] for ann in content()['annotations'] if ann['image_id'] == i][:2] for i in (0, 1)}
    for img_id, found in boxes.items():
        xyxy = torch.tensor([[x, y, x + w, y + h] for x, y, w, h in found], dtype=torch.float32)
        pred = dict(bboxes=xyxy, scores=torch.ones(2), labels=torch.zeros(2, dtype=torch.long))
        metric.process({}, [dict(pred_instances=pred, img_id=img_id, ori_shape=(HEIGHT, WIDTH))])
    return metric.evaluate(2)


@pytest.mark.parametrize('kind', KINDS)
def test_measures_and_reads_what_a_whole_file_gives(kind: str, tmp_path: Path) -> None:
    results = []
    for part in ('whole', kind):
        path = tmp_path / f'{part.replace(" ", "_")}.json'
        path.write_text(json.dumps(damage(part)))
        data = CocoDataset(ann_file=str(path), metainfo=dict(classes=('box',)), data_prefix=dict(img=''))
        instances = [data.get_data_info(i)['instances'] for i in range(len(data))]
        results.append((measured(path), [[(a['bbox'], a['ignore_flag']) for a in image] for image in instances]))
    assert results[0] == results[1]
    assert results[0][0]['coco/bbox_mAP_50'] == pytest.approx(2 / 3, abs=0.01)


@pytest.mark.parametrize('kind', KINDS)
def test_areas_are_those_of_the_rectangles(kind: str) -> None:
    damaged = damage(kind)
    repair_coco(damaged, 'a.json')
    assert [ann['area'] for ann in damaged['annotations']] == [ann['area'] for ann in content()['annotations']]
    assert [ann['iscrowd'] for ann in damaged['annotations']] == [0] * 6
    assert [ann['id'] for ann in damaged['annotations']] == [1, 2, 3, 4, 5, 6]


def test_a_whole_file_is_left_alone() -> None:
    whole = content()
    whole['annotations'].reverse()
    before = copy.deepcopy(whole)
    repair_coco(whole, 'a.json')
    assert whole == before


def test_the_id_of_the_file_is_kept() -> None:
    damaged = damage('from 0')
    repair_coco(damaged, 'a.json')
    assert [id_of(ann) for ann in damaged['annotations']] == list(range(6))
    repair_coco({'images': [], 'annotations': None}, 'a.json')


def test_a_crowd_stays_one() -> None:
    crowds = content()
    for ann, value in zip(crowds['annotations'], (1, True, '1', 'true', 0, 'no')):
        ann['iscrowd'] = value
    repair_coco(crowds, 'a.json')
    assert [int(ann['iscrowd']) for ann in crowds['annotations']] == [1, 1, 1, 1, 0, 0]


def test_a_file_without_annotations() -> None:
    repair_coco({'images': []}, 'a.json')
