"""What an evaluator expects of its annotation file, and what the loader yields, are compared before the loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from torch import nn

from fec_mm.datasets.coco_repairs import id_of, mask_fault
from fec_mm.datasets.label_survey import Survey
from fec_mm.datasets.leaves import class_names, leaves
from fec_mm.errors import UserError

from .class_checks import heads, warn

PROPOSALS = {'proposal', 'proposal_fast'}  # what is measured without classes


def check_evaluator(metrics: Iterable[Any], dataset: Any, part: str) -> None:
    """Compare the annotation file of every metric that has one with the data set that is measured.

    Args:
        metrics: Of an evaluator.
        dataset: What the loader yields. Of several, each metric may have its own, and nothing is compared.
        part: Val or test, for the words.

    Raises:
        UserError: The metric would fail, or measure something else. What may be meant is warned of.
    """
    found = list(leaves(dataset))
    if len(found) != 1:
        return
    for metric in metrics:
        name = f'{part}_evaluator ({type(metric).__name__})'
        coco = getattr(metric, '_coco_api', None)  # of mmdet's metrics with a file in COCO's format
        if hasattr(coco, 'imgs'):
            file = str(getattr(coco, 'path', 'another file'))
            if not PROPOSALS.issuperset(getattr(metric, 'metrics', ('bbox',))):
                _check_categories(coco, class_names(dataset), f'{name} reads {file}', part)
            if not getattr(metric, 'format_only', False):
                _check_images(metric, coco, found[0], f'{name} reads {file}', part)
                _check_masks(metric, coco, class_names(dataset), name, file)
            continue
        if hasattr(metric, 'gt_to_coco_json') and not _passes_instances(found[0]):  # mmdet's CocoMetric
            raise UserError(f'{name} has no ann_file: {_cure(part)}')
        theirs, ours = getattr(metric, 'ann_file', None), getattr(found[0], 'ann_file', None)
        if theirs and ours and not _same_file(theirs, ours):
            warn(f'{name} reads {theirs} and {part}_dataloader {ours}: they have to be of the same images')


def _passes_instances(leaf: Any) -> bool:
    """Whether annotations reach a metric that has no file of its own, in the samples; also where that is not to be
    told."""
    keys = [
        step.meta_keys
        for step in getattr(getattr(leaf, 'pipeline', None), 'transforms', ())
        if hasattr(step, 'meta_keys')
    ]
    return not keys or 'instances' in keys[-1]


def check_ignored(metrics: Iterable[Any], survey: Survey, part: str) -> None:
    """Warn of a label that is ignored and no class, whose pixels a metric of mmseg counts as wrong."""
    for metric in metrics:
        own = getattr(metric, 'ignore_index', None)
        for label in survey.ignored_labels:
            if isinstance(own, int) and label != own:
                warn(
                    f'{survey.name}: the label {label} is ignored in training, and {part}_evaluator '
                    f'({type(metric).__name__}) '
                    f'counts it as wrong: set ignore_index={label}'
                )


def check_topk(metrics: Iterable[Any], model: nn.Module, part: str) -> None:
    """Make sure that there are as many classes as are looked at (mmpretrain/evaluation/metrics/single_label.py,
    `Accuracy`).

    Raises:
        UserError: Naming the metric.
    """
    for _, head in heads(model):
        for metric in metrics:
            most = max(getattr(metric, 'topk', None) or (0,)) if type(metric).__name__ == 'Accuracy' else 0
            if most > head.num_classes:
                raise UserError(
                    f'{part}_evaluator (Accuracy) measures the top {most} of {head.num_classes} classes: set topk=(1, )'
                )


def _cure(part: str) -> str:
    return f'set ann_file of {part}_evaluator to that of {part}_dataloader'


def _same_file(first: str, second: str) -> bool:
    return bool(first and second) and Path(first).resolve() == Path(second).resolve()


def _check_categories(coco: Any, classes: tuple[str, ...], reads: str, part: str) -> None:
    """mmdet asks for the categories of the classes, and takes them to be numbered alike."""
    if not classes or not hasattr(coco, 'getCatIds') or not hasattr(coco, 'path'):
        return
    found = [category['name'] for category in coco.dataset['categories'] if category['name'] in classes]
    lacking = [name for name in classes if name not in found]
    if lacking:
        raise UserError(f"{reads}, which has no category '{lacking[0]}': {_cure(part)}")
    if found != list(classes):
        raise UserError(f'{reads}, which has the categories in the order {", ".join(found[:9])}: {_cure(part)}')


def _check_images(metric: Any, coco: Any, leaf: Any, reads: str, part: str) -> None:
    same = _same_file(getattr(coco, 'path', ''), getattr(leaf, 'ann_file', ''))
    if same and len(leaf) == len(coco.imgs):
        return
    infos = list(_infos(leaf))
    if not infos:
        return
    for img_id, info in infos:
        if img_id not in coco.imgs:
            raise UserError(f'{reads}, which has no image {img_id!r} ({info["img_path"]}): {_cure(part)}')
    if not same:
        other = [i for i, info in infos if not _has_name(coco, i, info) and not _has_a_box(coco, i, info)]
        if other:
            line = (
                f'{reads}, whose image {other[0]!r} is {coco.imgs[other[0]]["file_name"]}, and that of '
                f'{part}_dataloader '
                f'{dict(infos)[other[0]]["img_path"]}: {_cure(part)}'
            )
            if len(other) == len(infos) and any(info['boxes'] for _, info in infos):
                raise UserError(line)
            warn(line)
    if len(infos) < len(coco.imgs) and hasattr(metric, 'img_ids'):
        warn(
            f'{reads}, which has {len(coco.imgs)} images, and {part}_dataloader yields {len(infos)}: objects in the '
            f'others '
            'count as not found'
        )


def _infos(leaf: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Of each sample the id of its image, its path, and its boxes as COCO writes them, rounded."""
    for i in range(len(leaf)):
        info = leaf.get_data_info(i)
        if 'img_id' not in info or 'img_path' not in info:
            return
        boxes = [instance['bbox'] for instance in info.get('instances') or () if len(instance.get('bbox', ())) == 4]
        yield (
            info['img_id'],
            {'img_path': info['img_path'], 'boxes': {_rounded(x, y, r - x, b - y) for x, y, r, b in boxes}},
        )


def _rounded(*box: float) -> tuple[float, ...]:
    return tuple(round(float(x), 1) for x in box)


def _has_name(coco: Any, img_id: Any, info: dict[str, Any]) -> bool:
    """Whether the file says the same name of an image, or none."""
    name = coco.imgs[img_id].get('file_name')
    return not name or Path(name).stem == Path(info['img_path']).stem


def _has_a_box(coco: Any, img_id: Any, info: dict[str, Any]) -> bool:
    """Whether one box of an image is in the file."""
    annotations = getattr(coco, 'imgToAnns', {}).get(img_id, ())
    return bool(info['boxes'] & {_rounded(*ann['bbox']) for ann in annotations if 'bbox' in ann})


def _check_masks(metric: Any, coco: Any, classes: tuple[str, ...], name: str, file: str) -> None:
    """pycocotools fails at an annotation without a mask when it measures masks."""
    if 'segm' not in getattr(metric, 'metrics', ()):
        return
    for ann in coco.dataset.get('annotations', ()):
        fault = mask_fault(ann)
        if fault and coco.cats.get(ann['category_id'], {}).get('name') in classes:
            raise UserError(
                f'{file}: annotation {id_of(ann)} {fault}, and {name} measures masks: give it one, '
                "leave it out, or set metric='bbox'"
            )
