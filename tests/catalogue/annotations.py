"""Annotations of boxes and masks in COCO's format."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from .case import Case, Place

AGAIN = 'Export the annotations again.'
MASKS = """
for step in train_pipeline:
    if step['type'] == 'LoadAnnotations':
        step['with_mask'] = True
"""


def written(text: str) -> Callable[[Place], object]:
    return lambda place: (place.data / 'boxes.json').write_text(text)


def changed(change: Callable[[dict], object]) -> Callable[[Place], object]:
    return lambda place: place.boxes(change)


def first(**values: object) -> Callable[[Place], object]:
    """Change the first annotation."""
    return changed(lambda coco: coco['annotations'][0].update(values))


def boxes_left(place: Place, left: int) -> None:
    assert f'boxes.json: {4 - left} of 4 boxes are empty or outside of their image and are left out' in place.log()


def extra_image(place: Place) -> None:
    Image.new('RGB', (64, 64)).save(place.data / 'images/of_no_annotation.png')


NO_JSON = Case(
    'Annotations that are no JSON',
    'The file was cut, or edited by hand.',
    AGAIN,
    '…data/boxes.json is not JSON (…): write it again',
    scope='mmdet',
    damage=written('{"images": ['),
)
CASES = [
    Case(
        'A missing annotation file',
        'The path is wrong.',
        'Correct `ann_file`, which is relative to `data_root`.',
        '…data/boxes.json does not exist: correct the path',
        scope='mmdet',
        damage=lambda place: (place.data / 'boxes.json').unlink(),
        tools=('train', 'test'),
    ),
    Case(
        'An empty annotation file',
        'The disk was full when it was written.',
        AGAIN,
        '…data/boxes.json is empty: write it again',
        scope='mmdet',
        damage=written(''),
    ),
    NO_JSON,
    Case(
        'Annotations that are a list',
        "The file has another format than COCO's.",
        "Convert them to COCO's.",
        "…data/boxes.json holds no images, annotations and categories: write it in COCO's format",
        scope='mmdet',
        damage=written('[]'),
    ),
    Case(
        'Annotations without images',
        "The file has another format than COCO's.",
        "Convert them to COCO's.",
        "…data/boxes.json has no list 'images': write it in COCO's format",
        scope='mmdet',
        damage=changed(lambda coco: coco.pop('images')),
    ),
    Case(
        'An annotation without a box',
        'The entry is a keypoint or a caption, or the file has another format.',
        "Convert them to COCO's.",
        "…data/boxes.json: entry 0 of 'annotations' has no 'bbox': write it in COCO's format",
        scope='mmdet',
        damage=changed(lambda coco: coco['annotations'][0].pop('bbox')),
    ),
    Case(
        'An annotation of an unknown category',
        'A class was removed from `categories`, or one list of numbers starts at 0 and the other at 1.',
        'Correct `category_id`, or list the category. (mmdet alone would pass over such annotations.)',
        '…data/boxes.json: annotation 1 has category 7, which the file does not list: add the category or drop it',
        scope='mmdet',
        damage=first(category_id=7),
        tools=('train', 'test'),
    ),
    Case(
        'An annotation of an unknown image',
        'The image was removed from `images`.',
        'Drop the annotation, or list the image.',
        '…data/boxes.json: annotation 1 is of image 99, which the file does not list: add the image or drop it',
        scope='mmdet',
        damage=first(image_id=99),
    ),
    Case(
        'A class that the annotations do not have',
        'A name is misspelt. mmdet numbers the categories that it finds, so all behind a missing one would have '
        'the name of another.',
        'Give `metainfo.classes` the names in `categories`, in their order.',
        '…data/boxes.json has no category circle: give metainfo.classes the names that it has, in its order',
        scope='mmdet',
        config="train_dataloader['dataset']['metainfo'] = dict(classes=('circle', 'square'))\n",
    ),
    Case(
        'Classes in another order than the categories',
        'The two lists differ. mmdet numbers the classes as the annotations do, whatever `metainfo.classes` says.',
        'Give `metainfo.classes` the order of `categories`.',
        '…data/boxes.json has the categories in the order square, circle: give metainfo.classes the names that it '
        'has, in its order',
        scope='mmdet',
        damage=changed(lambda coco: coco['categories'].append({'id': 2, 'name': 'circle'})),
        config="train_dataloader['dataset']['metainfo'] = dict(classes=('circle', 'square'))\n",
    ),
    Case(
        'A listed image without a file',
        'The file was moved or not downloaded.',
        'Get the file, or take the image out of the annotations.',
        '…data/images/0.png does not exist: correct the path',
        scope='mmdet',
        damage=lambda place: place.image.unlink(),
        tools=('train', 'test'),
    ),
    Case(
        'A file that is not listed',
        'The folder has more images than the annotations.',
        handled='It is not used.',
        scope='mmdet',
        damage=extra_image,
        check=lambda place: None,
    ),
    Case(
        'A box outside of its image',
        'The boxes are of the image at another size, or x and y are swapped.',
        handled='It is left out, and a warning counts such boxes.',
        scope='mmdet',
        damage=first(bbox=[100, 100, 9, 9]),
        check=lambda place: boxes_left(place, 3),
    ),
    Case(
        'A box of zero size',
        'Somebody clicked and did not drag.',
        handled='It is left out, and a warning counts such boxes.',
        scope='mmdet',
        damage=first(bbox=[10, 10, 0, 5], area=0),
        check=lambda place: boxes_left(place, 3),
    ),
    Case(
        'A box that is no box',
        'A division by zero made it, or the corners are written in another form.',
        'Write `[x, y, width, height]`.',
        '…data/boxes.json: annotation 1 has the box [nan, 0, 5, 5]: a box is [x, y, width, height], finite numbers',
        scope='mmdet',
        damage=first(bbox=[float('nan'), 0, 5, 5]),
    ),
    Case(
        'No object at all',
        'The annotations are of another task, or the subset has none.',
        'Correct `ann_file` or `metainfo.classes`.',
        '…data/boxes.json lists 4 images and no object of the classes: check the annotations and metainfo.classes',
        scope='mmdet',
        damage=changed(lambda coco: coco['annotations'].clear()),
        config="train_dataloader['dataset']['filter_cfg'] = None\n",
    ),
    Case(
        'Only crowds',
        'Every annotation has `iscrowd`, as some exporters write it. Training ignores crowds.',
        'Annotate single objects, or correct `iscrowd`.',
        '…data/boxes.json lists only objects that training ignores (iscrowd, difficult): annotate single objects, '
        'or correct iscrowd',
        scope='mmdet',
        damage=changed(lambda coco: [ann.update(iscrowd=1) for ann in coco['annotations']]),
    ),
    Case(
        'Truncated run lengths',
        'The mask was cut. pycocotools would fill it with whatever is in memory.',
        AGAIN,
        '…data/boxes.json: annotation 1 has run lengths that do not fill its mask of [64, 64] pixels: write it again',
        scope='mmdet',
        damage=first(segmentation={'size': [64, 64], 'counts': [100, 50]}),
        config=MASKS,
        tools=('train', 'test'),
    ),
    Case(
        'Run lengths that are no run lengths',
        'Bytes were decoded in another way than COCO does.',
        AGAIN,
        '…data/boxes.json: annotation 1 has run lengths that do not fill its mask of [64, 64] pixels: write it again',
        scope='mmdet',
        damage=first(segmentation={'size': [64, 64], 'counts': 'hello, world'}),
        config=MASKS,
    ),
    Case(
        'Run lengths of another size',
        'The image was resized, or height and width are swapped.',
        AGAIN,
        '…data/boxes.json: annotation 1 has a mask of [32, 128] pixels, and its image has [64, 64]: write it again',
        scope='mmdet',
        damage=first(segmentation={'size': [32, 128], 'counts': [4096]}),
        config=MASKS,
    ),
    Case(
        'A polygon of two points',
        'Somebody clicked once too few.',
        handled='Training ignores the object.',
        scope='mmdet',
        damage=first(segmentation=[[1, 1, 9, 9]]),
    ),
    Case(
        'More classes in the data than in the head',
        '`num_classes` was not changed with the data.',
        "Set the head's `num_classes` to the number of classes.",
        '…has 2 classes and head (LinearClsHead) has num_classes=1: correct num_classes or metainfo.classes',
        config="model['head']['num_classes'] = 1\n",
    ),
    Case(
        'More classes in the annotations than in a detector',
        '`num_classes` was not changed with the data. mmdet would take the other classes for background.',
        'Set `num_classes` of the box head and of the mask head to the number of classes.',
        '…data/boxes.json has 2 classes and bbox_head (RetinaHead) has num_classes=1: correct num_classes or '
        'metainfo.classes',
        scope='mmdet',
        damage=changed(lambda coco: coco['categories'].append({'id': 2, 'name': 'circle'})),
        config="train_dataloader['dataset']['metainfo'] = dict(classes=('square', 'circle'))\n",
    ),
]
