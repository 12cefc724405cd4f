"""An evaluator's file and a loader's data set."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mmdet.datasets import CocoDataset
from mmdet.evaluation import CocoMetric
from mmengine.dataset import ConcatDataset
from mmpretrain.evaluation import Accuracy
from mmseg.evaluation import IoUMetric
from torch import nn

from fec_mm.datasets.label_survey import Survey
from fec_mm.engine import evaluator_checks
from fec_mm.engine.evaluator_checks import check_evaluator, check_ignored, check_topk
from fec_mm.errors import UserError


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is warned of."""
    lines: list[str] = []
    monkeypatch.setattr(evaluator_checks, 'warn', lines.append)
    return lines


def write(path: Path, names: str = 'abc', shift: float = 0, first: int = 0, classes: tuple[str, ...] = ('box',)) -> str:
    """An image of each name, with a box in it; all boxes moved by `shift`, image ids from `first`."""
    content: dict[str, Any] = {
        'categories': [dict(id=i, name=name) for i, name in enumerate(classes)],
        'annotations': [],
        'images': [],
    }
    for i, name in enumerate(names, first):
        content['images'].append(dict(id=i, file_name=f'{name}.png', width=64, height=64))
        content['annotations'].append(
            dict(
                id=i + 1,
                image_id=i,
                category_id=0,
                bbox=[i + shift, 2, 9, 9],
                area=81,
                iscrowd=0,
                segmentation=[[1, 1, 9, 1, 9, 9]],
            )
        )
    path.write_text(json.dumps(content))
    return str(path)


def check(metric: Any, ann_file: str, classes: tuple[str, ...] = ('box',), **kwargs: Any) -> None:
    dataset = CocoDataset(
        ann_file=ann_file, metainfo=dict(classes=classes), test_mode=True, data_prefix=dict(img=''), **kwargs
    )
    check_evaluator([metric], dataset, 'val')


def test_the_same_file(tmp_path: Path, warned: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / 'a.json')
    check(CocoMetric(file, metric=['bbox', 'segm']), file)
    monkeypatch.chdir(tmp_path)
    check(CocoMetric('a.json'), file)
    check(CocoMetric(), file)
    assert warned == []


@pytest.mark.parametrize(
    'change',
    [
        dict(shift=9),  # mended boxes
        dict(names='xyz'),  # the same boxes in renamed images
    ],
)
def test_another_file_of_the_same_images(change: Any, tmp_path: Path, warned: list[str]) -> None:
    check(CocoMetric(write(tmp_path / 'b.json', **change)), write(tmp_path / 'a.json'))
    assert warned == []


@pytest.mark.parametrize(
    ('change', 'says'),
    [
        (dict(names='xyz', shift=9), r'b\.json, whose image 0 is x\.png, and that of val_dataloader a\.png'),
        (dict(first=1), r'b\.json, which has no image 0 \(a\.png\)'),
        (dict(names='ab'), r'b\.json, which has no image 2 \(c\.png\)'),
        (dict(classes=('cat',)), r"b\.json, which has no category 'box'"),
    ],
)
def test_a_file_of_others(change: Any, says: str, tmp_path: Path, warned: list[str]) -> None:
    metric = CocoMetric(write(tmp_path / 'b.json', **change))
    cure = 'set ann_file of val_evaluator to that of val_dataloader'
    with pytest.raises(UserError, match=rf'^val_evaluator \(CocoMetric\) reads {tmp_path}/{says}: {cure}$'):
        check(metric, write(tmp_path / 'a.json'))
    assert warned == []


def test_categories_in_another_order(tmp_path: Path) -> None:
    metric = CocoMetric(write(tmp_path / 'b.json', classes=('cat', 'box')))
    with pytest.raises(UserError, match=r'has the categories in the order cat, box: set ann_file'):
        check(metric, write(tmp_path / 'a.json', classes=('box', 'cat')), ('box', 'cat'))


def test_proposals_have_no_categories(tmp_path: Path, warned: list[str]) -> None:
    metric = CocoMetric(write(tmp_path / 'b.json', classes=('cat',)), metric=['proposal', 'proposal_fast'])
    check(metric, write(tmp_path / 'a.json'))
    assert warned == []


def test_more_categories_are_no_fault(tmp_path: Path, warned: list[str]) -> None:
    check(CocoMetric(write(tmp_path / 'b.json', classes=('box', 'cat'))), write(tmp_path / 'a.json'))
    assert warned == []


def test_a_part_of_the_images_is_warned_of(tmp_path: Path, warned: list[str]) -> None:
    file = write(tmp_path / 'a.json')
    check(CocoMetric(file), file, indices=2)
    assert len(warned) == 1
    assert (
        'a.json, which has 3 images, and val_dataloader yields 2: objects in the others count as not found' in warned[0]
    )


def test_one_image_of_another_name_is_warned_of(tmp_path: Path, warned: list[str]) -> None:
    check(CocoMetric(write(tmp_path / 'b.json', 'abz', shift=9)), write(tmp_path / 'a.json'))
    assert len(warned) == 1
    assert 'whose image 2 is z.png, and that of val_dataloader c.png' in warned[0]


def test_images_without_boxes_may_have_been_renamed(tmp_path: Path, warned: list[str]) -> None:
    unlabelled = json.loads(Path(write(tmp_path / 'a.json')).read_text())
    unlabelled['annotations'] = []
    (tmp_path / 'a.json').write_text(json.dumps(unlabelled))
    check(CocoMetric(write(tmp_path / 'b.json', 'xyz')), str(tmp_path / 'a.json'))
    assert len(warned) == 1


def test_results_that_are_only_written_need_no_ground_truth(tmp_path: Path, warned: list[str]) -> None:
    metric = CocoMetric(
        write(tmp_path / 'b.json', 'xyz', first=9), format_only=True, outfile_prefix=str(tmp_path / 'out')
    )
    check(metric, write(tmp_path / 'a.json'))
    assert warned == []


def test_masks_that_are_not_there(tmp_path: Path) -> None:
    file = write(tmp_path / 'a.json')
    content = json.loads(Path(file).read_text())
    content['annotations'][1].update(id=0, segmentation=[])
    Path(file).write_text(json.dumps(content))
    check(CocoMetric(file), file)
    with pytest.raises(
        UserError, match=r'a\.json: annotation 0 has no segmentation, and val_evaluator \(CocoMetric\) measures'
    ):
        check(CocoMetric(file, metric=['bbox', 'segm']), file)


def test_several_data_sets_are_not_compared(tmp_path: Path, warned: list[str]) -> None:
    parts = [
        CocoDataset(
            ann_file=write(tmp_path / f'{name}.json', name), metainfo=dict(classes=('box',)), data_prefix=dict(img='')
        )
        for name in 'ab'
    ]
    check_evaluator([CocoMetric(str(tmp_path / 'b.json'))], ConcatDataset(parts), 'test')
    assert warned == []


def test_other_metrics_with_a_file(tmp_path: Path, warned: list[str]) -> None:
    dataset = SimpleNamespace(ann_file=str(tmp_path / 'a.odgt'))
    for name, lines in (('a', 0), ('b', 1)):
        check_evaluator([SimpleNamespace(ann_file=str(tmp_path / f'{name}.odgt'))], dataset, 'val')
        assert len(warned) == lines
    check_evaluator([SimpleNamespace()], dataset, 'val')
    assert len(warned) == 1


@pytest.mark.parametrize(
    ('ignored', 'own', 'lines'), [([], 255, 0), ([11], 11, 0), ([11], 255, 1), ([255], 11, 1), ([1], 255, 0)]
)
def test_labels_that_only_training_ignores(ignored: list[int], own: int, lines: int, warned: list[str]) -> None:
    """The label 1 is a class."""
    survey = Survey(
        'maps', ('a', 'b'), frozenset({*ignored, 77}), 1, 1, Counter({(label, label): 9 for label in (0, *ignored)})
    )
    check_ignored([IoUMetric(ignore_index=own), SimpleNamespace()], survey, 'val')
    assert len(warned) == lines
    assert all(
        f'the label {ignored[0]} is ignored in training, and val_evaluator (IoUMetric)' in line for line in warned
    )


@pytest.mark.parametrize(('topk', 'fits'), [((1,), True), ((1, 2), True), ((1, 5), False), (5, False)])
def test_as_many_classes_as_are_looked_at(topk: Any, fits: bool) -> None:
    model = nn.ModuleDict({'head': nn.Identity()})
    model['head'].num_classes = 2
    metrics = [SimpleNamespace(), Accuracy(topk=topk)]
    if fits:
        check_topk(metrics, model, 'val')
        return
    with pytest.raises(
        UserError, match=r'val_evaluator \(Accuracy\) measures the top 5 of 2 classes: set topk=\(1, \)'
    ):
        check_topk(metrics, model, 'val')
