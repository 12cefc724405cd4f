"""What a COCO file may lack without a loss: it is put in where pycocotools and mmdet would stumble, or measure
wrongly."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from mmengine.logging import print_log


def repair_coco(content: Mapping[str, Any], path: str) -> None:
    """Complete the annotations of a file, in memory.

    - `id`: whole numbers from 1 where they are not, each once, above 0: pycocotools takes the id 0 for "no match"
      (pycocotools/cocoeval.py, `evaluateImg`, `dtm`), so that a found object counts as not found. The old one is kept
      as `old_id`.
    - `iscrowd`: 0 where there is none; pycocotools wants it. A text is read: mmdet would take "0" for a crowd.
    - `area`: that of the mask, or of the box, where it is no number.

    Args:
        content: Of the file, changed in place.
        path: Of the file, for the log.
    """
    found = content.get('annotations')
    annotations = [ann for ann in found if isinstance(ann, dict)] if isinstance(found, list) else []
    sizes = {image.get('id'): (image.get('height'), image.get('width')) for image in content.get('images') or ()}
    done = []
    if not _are_ids([ann.get('id') for ann in annotations]):
        for number, ann in enumerate(annotations, 1):
            ann['old_id'], ann['id'] = ann.get('id'), number
        done.append('ids that are not whole numbers above 0, each once: the annotations are numbered from 1')
    crowds = [ann for ann in annotations if not isinstance(ann.get('iscrowd'), int)]
    for ann in crowds:
        ann['iscrowd'] = int(str(ann.get('iscrowd')).lower() in ('1', '1.0', 'true'))
    if crowds:
        done.append(f'{len(crowds)} times no iscrowd of 0 or 1: taken for 0 unless it says "1" or "true"')
    areas = [ann for ann in annotations if not _is_number(ann.get('area')) and 'bbox' in ann]
    for ann in areas:
        ann['area'] = _area(ann, sizes.get(ann.get('image_id'), (None, None)))
    if areas:
        done.append(f'{len(areas)} times no area: computed')
    if done:
        print_log(f'{path}: of {len(annotations)} annotations, {"; ".join(done)}', 'current', logging.WARNING)


def mask_fault(annotation: Mapping[str, Any]) -> str | None:
    """What keeps an annotation from having a mask, as the end of a sentence; None: nothing that is seen at once."""
    mask = annotation.get('segmentation')
    if not mask:
        return 'has no segmentation'
    if isinstance(mask, dict) or (isinstance(mask, list) and all(isinstance(polygon, list) for polygon in mask)):
        return None
    return 'has a segmentation that is neither a list of polygons, each a list, nor run lengths'


def id_of(annotation: Mapping[str, Any]) -> Any:
    """The id that an annotation has in its file."""
    return annotation.get('old_id', annotation['id'])


def _are_ids(ids: list[Any]) -> bool:
    return all(type(i) is int and i > 0 for i in ids) and len(set(ids)) == len(ids)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _area(ann: Mapping[str, Any], size: tuple[Any, Any]) -> float:
    """Pixels of the mask, if there is one that can be read; or of the box."""
    from pycocotools import mask as coco_mask

    mask = ann.get('segmentation')
    if isinstance(mask, list):
        mask = [
            polygon for polygon in mask if isinstance(polygon, list) and len(polygon) >= 6 and len(polygon) % 2 == 0
        ]
    if mask and all(map(_is_number, size)):
        if isinstance(mask, list):
            mask = coco_mask.merge(coco_mask.frPyObjects(mask, *size))
        elif isinstance(mask.get('counts'), list):
            mask = coco_mask.frPyObjects(mask, *size)
        return float(coco_mask.area(mask))
    return float(np.prod(ann['bbox'][2:]))
