"""A COCO annotation file is looked through before mmdet uses it.

mmdet passes over what it cannot use, and pycocotools decodes run lengths that do not fill their mask from memory that
is not theirs (pycocotools/common/maskApi.c, `rleDecode`): wrong masks, or a crash hours later.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log

from fec_mm.errors import UserError

from .coco_repairs import id_of, mask_fault, repair_coco
from .settings import one_name

NEEDED = {
    'images': ('id', 'file_name', 'height', 'width'),
    'categories': ('id', 'name'),
    'annotations': ('id', 'image_id', 'category_id', 'bbox'),
}


def check_when_mmdet_loads() -> None:
    """Have the `CocoDataset`s of this process check and complete their annotations while they load them.

    And every `CocoMetric` complete them, too.
    """
    from mmdet.datasets import CocoDataset
    from mmdet.evaluation.metrics import coco_metric

    base: Any = CocoDataset.COCOAPI
    if base.__name__ == 'CheckedCOCO':
        return

    class CompletedCOCO(base):
        """Knows its file, and lacks nothing that can be put in."""

        def __init__(self, annotation_file: str) -> None:
            self.path = annotation_file
            super().__init__(annotation_file)

        def createIndex(self) -> None:
            repair_coco(self.dataset, self.path)
            super().createIndex()

    class CheckedCOCO(CompletedCOCO):
        """Refuses contradictions: within the file, and to the classes of the config."""

        def __init__(self, annotation_file: str) -> None:
            try:
                super().__init__(annotation_file)
            except AssertionError as error:
                raise UserError(
                    f"{annotation_file} holds no images, annotations and categories: write it in COCO's format"
                ) from error

        def createIndex(self) -> None:
            check_coco(self.dataset, self.path)
            super().createIndex()

        def get_cat_ids(self, cat_names: Sequence[str] = (), **kwargs: Any) -> list[int]:
            """As mmdet asks for those of `metainfo.classes`, which then are numbered in this order."""
            found: list[int] = super().get_cat_ids(cat_names=cat_names, **kwargs)
            check_categories([self.cats[i]['name'] for i in found], cat_names, self.path)
            return found

    def parse_data_info(self: Any, raw_data_info: dict[str, Any]) -> Any:
        info = parse(self, raw_data_info)
        check_masks(self, info, raw_data_info['raw_ann_info'])
        return info

    parse = CocoDataset.parse_data_info
    CocoDataset.parse_data_info = parse_data_info
    CocoDataset.COCOAPI, coco_metric.COCO = CheckedCOCO, CompletedCOCO


def check_categories(found: Sequence[str], classes: Sequence[str], path: str) -> None:
    """Make sure that the categories of a file are the classes of a config, in their order.

    Args:
        found: Names of the categories that are among the classes, in the order of the file.
        classes: Of `metainfo`.
        path: Of the file, for the errors.

    Raises:
        UserError: Naming the first class that is not there, or not there, or there twice.
    """
    if isinstance(classes, str):
        raise UserError(one_name(classes))
    if not classes or list(found) == list(classes):
        return
    lacking = [name for name in classes if name not in found]
    twice = [name for name in found if found.count(name) > 1]
    if twice:
        raise UserError(
            f"{path} has {found.count(twice[0])} categories of the name '{twice[0]}', which are one class: "
            'give its annotations one category_id, and leave the others out'
        )
    what = f'has no category {lacking[0]}' if lacking else f'has the categories in the order {", ".join(found)}'
    raise UserError(f'{path} {what}: give metainfo.classes the names that it has, in its order')


def check_masks(dataset: Any, info: dict[str, Any], annotations: Sequence[Mapping[str, Any]]) -> None:
    """Make sure that what a data set with masks has read of an image has them: its pipeline fails otherwise.

    Args:
        dataset: A `CocoDataset`; without `LoadAnnotations(with_mask=True)` it passes.
        info: What it made of the image.
        annotations: Of the image.

    Raises:
        UserError: Naming the annotation.
    """
    steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', ())
    least = (dataset.filter_cfg or {}).get('min_size', 0) if not dataset.test_mode else 0
    if min(info['height'], info['width']) < least or not any(getattr(step, 'with_mask', False) for step in steps):
        return
    taken = [instance['bbox'] for instance in info['instances']]
    for ann in annotations:
        fault, (x, y, width, height) = mask_fault(ann), ann['bbox']
        if fault and [x, y, x + width, y + height] in taken:
            raise UserError(
                f'{dataset.ann_file}: annotation {id_of(ann)} {fault}, and LoadAnnotations(with_mask=True) wants one '
                'of each: give it one, or leave it out'
            )


def check_coco(content: Mapping[str, Any], path: str) -> None:
    """Make sure that annotations belong together and can be read as what they say.

    Boxes that mmdet leaves out, since they are empty or outside of their image, are counted in a warning.

    Args:
        content: Of the file; without annotations, as of a test set, it passes.
        path: Of the file, for the errors.

    Raises:
        UserError: Naming the file and the first wrong entry.
    """
    for name, fields in NEEDED.items():
        entries = content.get(name, [] if name == 'annotations' else None)
        if not isinstance(entries, list):
            raise UserError(f"{path} has no list '{name}': write it in COCO's format")
        for i, entry in enumerate(entries):
            lacking = [field for field in fields if not isinstance(entry, dict) or field not in entry]
            if lacking:
                raise UserError(f"{path}: entry {i} of '{name}' has no '{lacking[0]}': write it in COCO's format")
    images = {image['id']: image for image in content['images']}
    categories = {category['id'] for category in content['categories']}
    if len(images) < len(content['images']):
        _warn(
            f'{path}: {len(content["images"]) - len(images)} of {len(content["images"])} images have the id of '
            f'another one and '
            'are passed over: give each its own id'
        )
    left_out = 0
    for ann in content.get('annotations', []):
        where = f'{path}: annotation {ann["id"]}'
        if ann['image_id'] not in images:
            raise UserError(f'{where} is of image {_unknown(ann["image_id"], images, "the image")}')
        if ann['category_id'] not in categories:
            raise UserError(f'{where} has category {_unknown(ann["category_id"], categories, "the category")}')
        image = images[ann['image_id']]
        if not all(isinstance(image[side], (int, float)) for side in ('height', 'width')):
            raise UserError(
                f'{path}: image {image["id"]!r} has {image["width"]!r}×{image["height"]!r} pixels: write numbers'
            )
        left_out += not _is_inside(ann['bbox'], image, where) or ann.get('area') in (0, 0.0)
        if isinstance(ann.get('segmentation'), dict):
            _check_rle(ann['segmentation'], (image['height'], image['width']), where)
    if left_out:
        _warn(
            f'{path}: {left_out} of {len(content["annotations"])} boxes are empty or outside of their image and are '
            f'left out'
        )


def _warn(text: str) -> None:

    print_log(text, 'current', logging.WARNING)


def _unknown(wanted: Any, known: Iterable[Any], what: str) -> str:
    """An id that is not listed; a text is no number, whatever it looks like."""
    alike = [i for i in known if str(i) == str(wanted)]
    if alike:
        return f'{wanted!r}, and the file lists {alike[0]!r}: write ids as numbers, without quotes'
    return f'{wanted!r}, which the file does not list: add {what} or drop it'


def _is_inside(box: Any, image: Mapping[str, Any], where: str) -> bool:
    """Whether a box covers a pixel of its image."""
    if (
        not isinstance(box, list)
        or len(box) != 4
        or not all(isinstance(x, (int, float)) and math.isfinite(x) for x in box)
    ):
        raise UserError(f'{where} has the box {box}: a box is [x, y, width, height], finite numbers')
    x, y, width, height = box
    return bool(
        min(width, height) >= 1 and x < image['width'] and y < image['height'] and x + width > 0 and y + height > 0
    )


def _check_rle(mask: Mapping[str, Any], shape: tuple[int, int], where: str) -> None:
    size, counts = mask.get('size'), mask.get('counts')
    if list(size or ()) != list(shape):
        raise UserError(f'{where} has a mask of {size} pixels, and its image has {list(shape)}: write it again')
    runs = counts if isinstance(counts, list) else run_lengths(counts) if isinstance(counts, str) else None
    if runs is None or min(runs, default=-1) < 0 or sum(runs) != shape[0] * shape[1]:
        raise UserError(f'{where} has run lengths that do not fill its mask of {list(shape)} pixels: write it again')


def run_lengths(text: str) -> list[int] | None:
    """The run lengths of COCO's compressed form (pycocotools/common/maskApi.c, `rleFrString`); None for other text.

    Numbers have five bits a character, the lowest first, a sixth that says whether more follow, and from the fourth on
    are differences from the last but one.
    """
    codes = np.frombuffer(text.encode('latin-1', 'replace'), np.uint8).astype(np.int64) - 48
    if len(codes) == 0 or codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        return None
    ends = np.flatnonzero(codes & 32 == 0)
    starts = np.concatenate(([0], ends[:-1] + 1))
    digits = np.arange(len(codes)) - np.repeat(starts, ends - starts + 1)
    if digits.max() > 6:
        return None
    values = np.add.reduceat((codes & 31) << (5 * digits), starts)
    values -= np.where(codes[ends] & 16, np.int64(1) << (5 * (digits[ends] + 1)), 0)
    values[1::2], values[2::2] = values[1::2].cumsum(), values[2::2].cumsum()
    found: list[int] = values.tolist()
    return found
