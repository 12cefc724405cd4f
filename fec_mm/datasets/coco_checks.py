"""A COCO annotation file is looked through before mmdet uses it.

mmdet passes over what it cannot use, and pycocotools decodes run lengths that do not fill their mask from memory that is not
theirs (pycocotools/common/maskApi.c, `rleDecode`): wrong masks, or a crash hours later.
"""
from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fec_mm.errors import UserError

NEEDED = {'images': ('id', 'file_name', 'height', 'width'), 'categories': ('id', 'name'),
          'annotations': ('id', 'image_id', 'category_id', 'bbox', 'area')}


def check_when_mmdet_loads() -> None:
    """Have every `CocoDataset` of this process check its annotations while it loads them."""
    from mmdet.datasets import CocoDataset
    base: Any = CocoDataset.COCOAPI
    if base.__name__ == 'CheckedCOCO':
        return

    class CheckedCOCO(base):
        """Refuses contradictions: within the file, and to the classes of the config."""

        def __init__(self, annotation_file: str) -> None:
            self.path = annotation_file
            try:
                super().__init__(annotation_file)
            except AssertionError as error:
                raise UserError(f'{annotation_file} holds no images, annotations and categories: '
                                "write it in COCO's format") from error

        def createIndex(self) -> None:
            check_coco(self.dataset, self.path)
            super().createIndex()

        def get_cat_ids(self, cat_names: Sequence[str] = (), **kwargs: Any) -> list[int]:
            """As mmdet asks for those of `metainfo.classes`, which then are numbered in this order."""
            found: list[int] = super().get_cat_ids(cat_names=cat_names, **kwargs)
            names = [self.cats[i]['name'] for i in found]
            if cat_names and names != list(cat_names):
                lacking = [name for name in cat_names if name not in names]
                what = f'has no category {lacking[0]}' if lacking else f'has the categories in the order {", ".join(names)}'
                raise UserError(f'{self.path} {what}: give metainfo.classes the names that it has, in its order')
            return found

    CocoDataset.COCOAPI = CheckedCOCO


def check_coco(content: Mapping[str, Any], path: str) -> None:
    """Make sure that annotations belong together and can be read as what they say.

    Boxes that mmdet leaves out, since they are empty or outside of their image, are counted in a warning.

    Args:
        content: of the file; without annotations, as of a test set, it passes.
        path: of the file, for the errors.

    Raises:
        UserError: naming the file and the first wrong entry.
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
    left_out = 0
    for ann in content.get('annotations', []):
        where = f"{path}: annotation {ann['id']}"
        if ann['image_id'] not in images:
            raise UserError(f"{where} is of image {ann['image_id']}, which the file does not list: add the image or drop it")
        if ann['category_id'] not in categories:
            raise UserError(f"{where} has category {ann['category_id']}, which the file does not list: "
                            'add the category or drop it')
        image = images[ann['image_id']]
        left_out += not _is_inside(ann['bbox'], image, where)
        if isinstance(ann.get('segmentation'), dict):
            _check_rle(ann['segmentation'], (image['height'], image['width']), where)
    if left_out:
        from mmengine.logging import print_log
        total = len(content['annotations'])
        print_log(f'{path}: {left_out} of {total} boxes are empty or outside of their image and are left out',
                  logger='current', level=logging.WARNING)


def _is_inside(box: Any, image: Mapping[str, Any], where: str) -> bool:
    """Whether a box covers a pixel of its image."""
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(x, (int, float)) and math.isfinite(x) for x in box):
        raise UserError(f'{where} has the box {box}: a box is [x, y, width, height], finite numbers')
    x, y, width, height = box
    return bool(min(width, height) >= 1 and x < image['width'] and y < image['height'] and x + width > 0 and y + height > 0)


def _check_rle(mask: Mapping[str, Any], shape: tuple[int, int], where: str) -> None:
    size, counts = mask.get('size'), mask.get('counts')
    if list(size or ()) != list(shape):
        raise UserError(f'{where} has a mask of {size} pixels, and its image has {list(shape)}: write it again')
    runs = counts if isinstance(counts, list) else run_lengths(counts) if isinstance(counts, str) else None
    if runs is None or min(runs, default=-1) < 0 or sum(runs) != shape[0] * shape[1]:
        raise UserError(f'{where} has run lengths that do not fill its mask of {list(shape)} pixels: write it again')


def run_lengths(text: str) -> list[int] | None:
    """The run lengths of COCO's compressed form (pycocotools/common/maskApi.c, `rleFrString`); None for other text.

    Numbers have five bits a character, the lowest first, a sixth that says whether more follow, and from the fourth on are
    differences from the last but one.
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
