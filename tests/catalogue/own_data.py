"""Data of one's own: classes, evaluators and configs as they come from elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from .case import Case, Place

PAGE = 'docs/custom_dataset.md'
VAL = "val_dataloader['dataset']['data_prefix'] = test_dataloader['dataset']['data_prefix'] = 'val'\n"
CIRCLE = {'id': 2, 'name': 'circle'}


def validation(place: Place) -> None:
    """Validation images of their own, in the same two classes."""
    shutil.copytree(place.data / 'classes', place.data / 'val')


def same_classes(place: Place) -> None:
    """Those of the training, in what it wrote; no warning says otherwise."""
    assert 'of val_dataloader' not in place.log()
    for path in place.folder.glob('work/epoch_1.pth'):
        assert torch.load(path, weights_only=True)['meta']['dataset_meta']['classes'] == ('left', 'right')


def without_left(place: Place) -> None:
    validation(place)
    shutil.rmtree(place.data / 'val/left')


def numbered_otherwise(place: Place) -> None:
    """A checkpoint whose classes have other numbers."""
    content = torch.load(place.checkpoint, weights_only=True)
    content['meta']['dataset_meta'] = dict(classes=('right', 'left'))
    place.given['checkpoint'] = place.folder / 'other.pth'
    torch.save(content, place.given['checkpoint'])


def other_images(place: Place) -> None:
    """A file of the same numbers, and of other images."""
    content = json.loads((place.data / 'boxes.json').read_text())
    for image, ann in zip(content['images'], content['annotations']):
        image['file_name'] = f'other_{image["file_name"]}'
        ann['bbox'][0] += 7.5
    (place.data / 'others.json').write_text(json.dumps(content))


def void(place: Place) -> None:
    """A label of its own for pixels that do not count."""
    for path in place.data.glob('maps/*.png'):
        labels = np.asarray(Image.open(path)).copy()
        labels[:4] = 7
        Image.fromarray(labels).save(path)


def logged(*texts: str) -> Callable[[Place], object]:
    def check(place: Place) -> None:
        for text in texts:
            assert text in place.log(), text

    return check


def label_map_of(place: Place, number: int) -> None:
    """White on black."""
    path = place.data / f'maps/{number}.png'
    Image.fromarray(np.asarray(Image.open(path)) * np.uint8(255)).save(path)


CASES = [
    Case(
        'A class that validation does not have',
        'No image of the class was put aside, and the classes behind it move up.',
        'Give both the same folders. An empty one counts.',
        "'right' is class 0 of val_dataloader (…data/val) and class 1 of train_dataloader (…data/classes): give "
        'both the same classes in the same order',
        damage=without_left,
        config=VAL,
    ),
    Case(
        'Test data whose classes have other numbers than those of the training',
        'A folder was added, removed or renamed since.',
        'Give the test data the folders of the training.',
        "'left' is class 0 of test_dataloader (…data/classes) and class 1 of the checkpoint: give the data set "
        'the classes of the checkpoint in their order',
        damage=numbered_otherwise,
        tools=('test',),
    ),
    Case(
        'More outputs than classes in a classifier',
        '`num_classes` was not changed with the data.',
        handled='It trains, and a warning says what to set.',
        config="model['head']['num_classes'] = 9\n",
        check=logged('has 2 classes (left, right) and head (LinearClsHead) has num_classes=9: set num_classes=2'),
    ),
    Case(
        'More outputs than classes in a detector',
        "`num_classes` was not changed with the data: it is still COCO's 80.",
        'Set `num_classes` of the box head and of the mask head to the number of classes.',
        '…data/boxes.json has 1 classes (square) and bbox_head (RetinaHead) has num_classes=80: set '
        'num_classes=1, or correct metainfo.classes',
        scope='mmdet',
        config="model['bbox_head']['num_classes'] = 80\n",
    ),
    Case(
        'The top 5 of two classes',
        "The evaluator is still ImageNet's.",
        'Set `topk=(1, )`.',
        'val_evaluator (Accuracy) measures the top 5 of 2 classes: set topk=(1, )',
        config="val_evaluator = dict(type='Accuracy', topk=(1, 5))\n",
    ),
    Case(
        'The top 5 of two classes in a test',
        "The evaluator is still ImageNet's.",
        'Set `topk=(1, )`.',
        'test_evaluator (Accuracy) measures the top 5 of 2 classes: set topk=(1, )',
        tools=('test',),
        config="test_evaluator = dict(type='Accuracy', topk=(1, 5))\n",
    ),
    Case(
        'Label maps with a value that the head ignores and the evaluator counts',
        '`ignore_index` was set in one of the two.',
        handled='It is measured, and a warning says what to set.',
        scope='mmseg',
        damage=void,
        tools=('train', 'test'),
        config="model['decode_head']['ignore_index'] = 7\n",
        check=logged(
            'data/maps: the label 7 is ignored in training, and',
            '_evaluator (IoUMetric) counts it as wrong: set ignore_index=7',
        ),
    ),
    Case(
        'Another number of classes in the data preprocessor',
        "Only the head's number was changed.",
        'Set `data_preprocessor.num_classes`, too.',
        'head (LinearClsHead) has num_classes=2 and data_preprocessor has num_classes=1000: set both to the '
        'number of classes',
        config="model['data_preprocessor']['num_classes'] = 1000\nmodel['train_cfg'] = "
        "dict(augments=[dict(type='Mixup', "
        'alpha=0.8)])\n',
    ),
    Case(
        "An evaluator's file of other images",
        '`ann_file` of `val_evaluator` was not changed with that of the data.',
        'Give the evaluator the `ann_file` of its data set, with `data_root` in front.',
        'val_evaluator (CocoMetric) reads …others.json, whose image 0 is other_0.png, and that of val_dataloader '
        '…images/0.png: set ann_file of val_evaluator to that of val_dataloader',
        scope='mmdet',
        damage=other_images,
        config="val_evaluator['ann_file'] = '{folder}/data/others.json'\n",
    ),
    Case(
        'An evaluator without a file',
        'The evaluator was replaced, and `ann_file` was left out.',
        'Give the evaluator the `ann_file` of its data set, with `data_root` in front.',
        'val_evaluator (CocoMetric) has no ann_file: set ann_file of val_evaluator to that of val_dataloader',
        scope='mmdet',
        config="val_evaluator = dict(type='CocoMetric', metric='bbox')\n",
    ),
    Case(
        "A test evaluator's file of other images",
        '`ann_file` of `test_evaluator` was not changed with that of the data.',
        'Give the evaluator the `ann_file` of its data set, with `data_root` in front.',
        'test_evaluator (CocoMetric) reads …others.json, whose image 0 is other_0.png, and that of '
        'test_dataloader …images/0.png: set ann_file of test_evaluator to that of test_dataloader',
        scope='mmdet',
        damage=other_images,
        config="test_evaluator['ann_file'] = '{folder}/data/others.json'\n",
        tools=('test',),
    ),
    Case(
        'One class, without its comma',
        "In Python `('box')` is a text. A tuple is `('box', )`.",
        'Write the comma.',
        "metainfo.classes='square' is neither a list of names nor a file with one in each line: write "
        "classes=('square', )",
        scope='mmdet',
        config="train_dataloader['dataset']['metainfo'] = dict(classes=('square'))\n",
    ),
    Case(
        'Label maps of 0 and 255',
        'The mask is white on black, and 255 is ignored.',
        handled='It trains on the one class. A warning says which class is nowhere, and what the values are.',
        scope='mmseg',
        damage=lambda place: [label_map_of(place, i) for i in range(4)],
        tools=('train', 'test'),
        check=logged("4 label maps hold the values 0, 255 (ignored: 255): nothing of class 'square' (1)"),
    ),
    Case(
        '`reduce_zero_label` in the pipeline and not in the data set',
        "The pipeline is ADE20K's, and the label maps are your own.",
        'Leave it out of the pipeline, unless 0 is to be ignored. (With `True` in the data set all classes move '
        'down by one. The log shows values, names and shares of the labels at the start.)',
        'LoadAnnotations(reduce_zero_label=True) in the pipeline and BaseSegDataset(reduce_zero_label=False) '
        'differ: where 0 is a class, as in label maps of your own, leave it out of LoadAnnotations in '
        'train_pipeline and test_pipeline; where 0 is to be ignored and classes begin at 1, give it to the data '
        'set too',
        scope='mmseg',
        config="train_pipeline[1]['reduce_zero_label'] = True\n",
        tools=('train', 'test'),
    ),
    Case(
        'An argument of the inherited data set',
        "A config's data set is merged into the one that it inherits.",
        'Replace that one: `_delete_=True`.',
        "CustomDataset takes no 'split', which may be of the data set that the config inherits: replace that one with "
        f"dataset=dict(_delete_=True, type='CustomDataset', ...) ({PAGE}), or correct the name",
        config="train_dataloader['dataset']['split'] = 'train'\n",
    ),
    Case(
        "Other folders than ImageNet's classes",
        '`type` of the inherited data set was kept.',
        'Replace it: `_delete_=True`.',
        '…data/classes has 2 folders of classes and ImageNet 1000 classes: for classes of your own replace the data '
        'set with '
        f"dataset=dict(_delete_=True, type='CustomDataset', ...) ({PAGE}), or correct metainfo.classes",
        config="train_dataloader['dataset']['type'] = 'ImageNet'\n",
    ),
    Case(
        "Classes that are none of ADE20K's",
        '`type` of the inherited data set was kept.',
        'Set `type`.',
        "metainfo.classes has 'ground', which is no class of ADE20KDataset: for classes of your own set "
        "type='BaseSegDataset' "
        f'({PAGE}), or correct the name',
        scope='mmseg',
        config="train_dataloader['dataset']['type'] = 'ADE20KDataset'\n",
    ),
]
