"""Annotations of one's own, as other programs write them."""

from __future__ import annotations

from collections.abc import Callable

from .annotations import MASKS, changed, first
from .case import Case, Place
from .own_data import logged


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


CASES = [
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
        'Two categories of one name',
        'Files of two sources were put together.',
        'Give the annotations of both one `category_id`, and take the other category out.',
        "…data/boxes.json has 2 categories of the name 'square', which are one class: give its annotations one "
        'category_id, and leave the others out',
        scope='mmdet',
        damage=changed(lambda coco: coco['categories'].append({'id': 2, 'name': 'square'})),
    ),
]
