"""Data of one's own: classes, COCO files, label maps and configs as they come from elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from .annotations import MASKS, changed, first
from .case import Case, Place

PAGE = 'docs/custom_dataset.md'
VAL = "val_dataloader['dataset']['data_prefix'] = test_dataloader['dataset']['data_prefix'] = 'val'\n"
CIRCLE = {'id': 2, 'name': 'circle'}


def validation(place: Place) -> None:
    """Validation images of their own, in the same two classes."""
    shutil.copytree(place.data / 'classes', place.data / 'val')


def notebook(place: Place) -> None:
    """A notebook's copy of an image, in a folder and among the classes."""
    validation(place)
    for folder in (place.data / 'val', place.data / 'val/left'):
        (folder / '.ipynb_checkpoints').mkdir()
        shutil.copy(place.image, folder / '.ipynb_checkpoints/0-checkpoint.png')


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


def mac(place: Place) -> None:
    (place.image.parent / '._0.png').write_bytes(b'\0\5\26\7\0\2\0\0Mac OS X')
    place.given['input'] = place.image.parent


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


def every(**values: object) -> Callable[[Place], object]:
    """Change all annotations; None takes a key away."""

    def change(content: dict) -> None:
        for ann in content['annotations']:
            ann.update(values)
            for key in [key for key, value in values.items() if value is None]:
                del ann[key]

    return changed(change)


def from_zero(content: dict) -> None:
    for number, ann in enumerate(content['annotations']):
        ann['id'] = number


def logged(*texts: str) -> Callable[[Place], object]:
    def check(place: Place) -> None:
        for text in texts:
            assert text in place.log(), text

    return check


def formats(place: Place) -> None:
    """Images of one class in formats that mmpretrain passes over."""
    for i, suffix in enumerate(('webp', 'tiff', 'jfif')):
        with Image.open(place.image) as image:
            image.save(place.data / f'classes/right/more{i}.{suffix}')


def bands(place: Place) -> None:
    """Every image with six bands."""
    import tifffile

    for path in sorted([*place.data.glob('images/*.png'), *place.data.glob('classes/*/*.png')]):
        image = np.asarray(Image.open(path))
        tifffile.imwrite(path.with_suffix('.tif'), np.concatenate([image, image], -1), photometric='rgb')
        path.unlink()


SIX = """
model['data_preprocessor'].update(mean=None, std=None)
model['backbone']['in_channels'] = 6
test_pipeline[0].update(imdecode_backend='tifffile', color_type='unchanged')
"""


def six_bands(place: Place) -> None:
    """Also a checkpoint for them."""
    bands(place)
    content = torch.load(place.checkpoint, weights_only=True)
    (name,) = (name for name, value in content['state_dict'].items() if value.ndim == 4 and value.shape[1] == 5)
    weight = content['state_dict'][name]
    content['state_dict'][name] = torch.cat([weight[:, :3], weight[:, :3], weight[:, 3:]], 1)
    place.given['checkpoint'] = place.folder / 'six.pth'
    torch.save(content, place.given['checkpoint'])
    place.given['input'] = place.image.with_suffix('.tif')


def six_boxes(place: Place) -> None:
    six_bands(place)
    place.boxes(lambda content: [image.update(file_name=f'{image["id"]}.tif') for image in content['images']])


def painted(place: Place) -> None:
    files = (path for path in place.folder.glob('out/**/*.*') if path.parent.name != 'pred')
    pictures = sorted(path for path in files if path.suffix in ('.png', '.tif'))
    assert len(pictures) == (4 if place.log() else 1), (
        place.log()
    )  # all of a test, the one that is given to an inferencer
    assert len({Image.open(path).size for path in pictures}) == 1


CASES = [
    Case(
        "A notebook's copies among the classes",
        'Jupyter keeps a folder `.ipynb_checkpoints` beside what is opened in it.',
        handled='What begins with a dot is no class and no image.',
        damage=notebook,
        config=VAL,
        tools=('train', 'test'),
        check=lambda place: same_classes(place),
    ),
    Case(
        'Files of a Mac among the images',
        'Archives made on a Mac hold a `._x.jpg` for each `x.jpg`.',
        handled='What begins with a dot is no class and no image.',
        damage=mac,
        tools=('infer', 'train'),
    ),
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
        'Annotations numbered from 0, or twice',
        'A script counted them, or files were put together.',
        handled='They are numbered anew, from 1. pycocotools takes the number 0 for "not found", which costs AP.',
        scope='mmdet',
        damage=changed(from_zero),
        tools=('train', 'test'),
        check=logged('the annotations are numbered from 1'),
    ),
    Case(
        'Annotations without `iscrowd` or `area`',
        'Many tools do not write them.',
        handled='`iscrowd` is taken for 0. The area is computed from the mask, or else from the box.',
        scope='mmdet',
        damage=every(iscrowd=None, area=None),
        tools=('train', 'test'),
        check=logged('4 times no iscrowd of 0 or 1: taken for 0', '4 times no area: computed'),
    ),
    Case(
        'An object without a mask',
        '`segmentation` is empty or missing: a box without a mask is among the masks.',
        'Give it a mask, or leave it out. Or train without masks.',
        '…data/boxes.json: annotation 1 has no segmentation, and LoadAnnotations(with_mask=True) wants one of '
        'each: give it one, or leave it out',
        scope='mmdet',
        damage=first(segmentation=[]),
        config=MASKS,
        tools=('train', 'test'),
    ),
    Case(
        'A polygon that is not in a list of polygons',
        'An object may have several polygons. A single one still needs the list.',
        'Write `[[x, y, x, y, …]]`.',
        '…data/boxes.json: annotation 1 has a segmentation that is neither a list of polygons, each a list, nor '
        'run lengths, and LoadAnnotations(with_mask=True) wants one of each: give it one, or leave it out',
        scope='mmdet',
        damage=first(segmentation=[1, 1, 9, 1, 9, 9]),
        config=MASKS,
    ),
    Case(
        'A number in quotes',
        'A script read it from text.',
        'Write ids as numbers.',
        "…data/boxes.json: annotation 1 is of image '0', and the file lists 0: write ids as numbers, without quotes",
        scope='mmdet',
        damage=first(image_id='0'),
    ),
    Case(
        'A category number in quotes',
        'A script read it from text.',
        'Write ids as numbers.',
        "…data/boxes.json: annotation 1 has category '1', and the file lists 1: write ids as numbers, without quotes",
        scope='mmdet',
        damage=first(category_id='1'),
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
        'Two categories of one name',
        'Files of two sources were put together.',
        'Give the annotations of both one `category_id`, and take the other category out.',
        "…data/boxes.json has 2 categories of the name 'square', which are one class: give its annotations one "
        'category_id, and leave the others out',
        scope='mmdet',
        damage=changed(lambda coco: coco['categories'].append({'id': 2, 'name': 'square'})),
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
        'Images in other formats',
        'The folder has WebP, TIFF, JFIF or, with an OpenCV that reads them, GIF.',
        handled='Folders of classes give all images that OpenCV reads.',
        damage=formats,
        check=logged('Epoch(train) [1][4/4]'),
    ),
    Case(
        'Images that OpenCV does not read',
        'A telephone wrote HEIC, for instance.',
        handled='They are passed over, and a warning counts them.',
        damage=lambda place: shutil.copy(place.image, place.data / 'classes/left/photo.heic'),
        check=logged('data/classes: 1 images, such as photo.heic, do not end in .bmp, '),
    ),
    Case(
        'Images of another suffix beside those of segmentation',
        '`img_suffix` names one suffix.',
        handled='They are passed over, and a warning counts them.',
        scope='mmseg',
        damage=lambda place: shutil.copy(place.image, place.data / 'images/9.jpg'),
        check=logged('data/images: 1 images, such as 9.jpg, do not end in .png and are passed over'),
    ),
    Case(
        'Painting on an image of six bands',
        'Satellites record more than three bands.',
        handled='The first three bands are painted on.',
        scope='mmseg',
        damage=six_bands,
        tools=('test', 'infer'),
        config=SIX + "test_dataloader['dataset']['img_suffix'] = '.tif'\n",
        argv=('--show-dir', '{folder}/out'),
        check=painted,
    ),
    Case(
        'Painting on a classified image of six bands',
        'Satellites record more than three bands.',
        handled='The first three bands are painted on.',
        damage=six_bands,
        tools=('test',),
        config=SIX,
        argv=('--show-dir', '{folder}/out'),
        check=painted,
    ),
    Case(
        'Classifying an image of six bands',
        'Satellites record more than three bands.',
        'Use `tools/test.py`.',
        "…left/0.tif has more than four bands, and mmpretrain's inferencer reads three: give it to tools/test.py",
        damage=six_bands,
        tools=('infer',),
        config=SIX,
    ),
    Case(
        'Painting boxes on an image of six bands',
        'Satellites record more than three bands.',
        handled='The first three bands are painted on.',
        scope='mmdet',
        damage=six_boxes,
        tools=('test', 'infer'),
        config=SIX,
        argv=('--show-dir', '{folder}/out'),
        check=painted,
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


def label_map_of(place: Place, number: int) -> None:
    """White on black."""
    path = place.data / f'maps/{number}.png'
    Image.fromarray(np.asarray(Image.open(path)) * np.uint8(255)).save(path)
