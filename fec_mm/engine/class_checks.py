"""The classes of the data, of the model's heads and of a checkpoint are compared before anything is trained or
measured."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mmengine.logging import print_log
from torch import nn

from fec_mm.datasets.class_names import difference
from fec_mm.datasets.leaves import class_names, is_numbered_by_name, leaves, where
from fec_mm.errors import UserError
from fec_mm.wrappers import unwrap

# Heads that predict the classes of the data set; auxiliary ones, and those of proposals, predict something else.
HEADS = re.compile(r'(?:^|\.)(?:head|decode_head|bbox_head|mask_head)(?:\.\d+)?$')
# Models that are told the names of the classes have outputs for words, not for classes.
READS_NAMES = re.compile(r'(?:^|[._])(?:language|text)')
COUNT_CLASSES = ('Accuracy', 'SingleLabelMetric', 'ConfusionMatrix')  # of mmpretrain, whose others compare images


def warn(text: str) -> None:
    """Log what may be wrong, and need not be."""
    print_log(text, 'current', logging.WARNING)


def heads(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Heads with an output for each class, by name."""
    for name, module in model.named_modules():
        if (
            HEADS.search(name)
            and isinstance(getattr(module, 'num_classes', None), int)
            and not getattr(module, 'class_agnostic', False)
        ):
            yield name, module


def reads_names(model: nn.Module) -> bool:
    """Whether a model is told the names of the classes, of which then each data set may have its own."""
    return any(READS_NAMES.search(name) for name, _ in model.named_modules())


def labels_are_classes(model: nn.Module, metrics: Iterable[Any]) -> bool:
    """Whether a prediction is right where its number is that of the class: not of words, not where images are
    compared."""
    return not reads_names(model) and any(
        hasattr(metric, 'cat_ids') or type(metric).__name__ in COUNT_CLASSES for metric in metrics
    )


def check_heads(dataset: Any, model: nn.Module) -> None:
    """Make sure that there are not more classes than outputs.

    Detectors take a label beyond their classes for background, and a GPU says "device-side assert triggered".

    Raises:
        UserError: Naming the head.
    """
    classes = class_names(dataset)
    if 'thing_classes' in getattr(dataset, 'metainfo', {}):  # panoptic: a head for things alone
        return
    for name, head in heads(model):
        if head.num_classes < len(classes):
            raise UserError(
                f'{where(next(leaves(dataset)))} has {len(classes)} classes and {name} ({type(head).__name__}) has '
                f'num_classes={head.num_classes}: correct num_classes or metainfo.classes'
            )


def check_spare_outputs(dataset: Any, model: nn.Module, metrics: Iterable[Any] = ()) -> None:
    """Look for outputs that belong to no class, such as 80 for a data set of three.

    Args:
        dataset: To be trained on.
        model: With its heads.
        metrics: What the training measures. COCO's look up the category of every predicted label, and fail at one
            beyond the classes (mmdet/evaluation/metrics/coco_metric.py, `results2json`); others pass over it.

    Raises:
        UserError: The training would end so at its first validation. What goes on is warned of.
    """
    classes = class_names(dataset)
    if not classes or reads_names(model) or 'thing_classes' in getattr(dataset, 'metainfo', {}):
        return
    for name, head in heads(model):
        if head.num_classes > len(classes):
            line = (
                f'{where(next(leaves(dataset)))} has {len(classes)} classes ({_some(classes)}) and {name} '
                f'({type(head).__name__}) has num_classes={head.num_classes}: set num_classes={len(classes)}, '
                'or correct metainfo.classes'
            )
            if any(hasattr(metric, 'cat_ids') for metric in metrics):
                raise UserError(line)
            warn(line)


def check_one_hot(dataset: Any, model: nn.Module) -> None:
    """Make sure that a classifier's labels are made as long as its head's outputs.

    Mixup and CutMix need them one-hot (mmpretrain/models/utils/data_preprocessor.py); a data set may have scores
    instead.

    Raises:
        UserError: With both lengths.
    """
    preprocessor = getattr(unwrap(model), 'data_preprocessor', None)
    count = getattr(preprocessor, 'num_classes', None)
    if not getattr(preprocessor, 'to_onehot', False) or not isinstance(count, int):
        return
    if any('gt_score' in leaf.get_data_info(0) for leaf in leaves(dataset) if hasattr(leaf, 'get_data_info')):
        return
    for name, head in heads(model):
        if head.num_classes != count:
            raise UserError(
                f'{name} ({type(head).__name__}) has num_classes={head.num_classes} and data_preprocessor has '
                f'num_classes={count}: set both to the number of classes'
            )


def check_validation_names(trained: Any, measured: Any, strict: bool) -> None:
    """Compare by name the classes that are trained on and those that are validated on.

    Args:
        trained: Data set.
        measured: Data set.
        strict: Labels are numbers of classes, see `labels_are_classes`.

    Raises:
        UserError: Names decide the numbers of both, and one class has two. Other differences are warned of.
    """
    line = difference(
        class_names(measured), class_names(trained), _dataset(measured, 'val'), _dataset(trained, 'train')
    )
    if line is None:
        return
    text = f'{line.text}: give both the same classes in the same order'
    if strict and line.contradicts and is_numbered_by_name(trained) and is_numbered_by_name(measured):
        raise UserError(text)
    warn(text)


def check_checkpoint_names(known: Sequence[str], dataset: Any, part: str, strict: bool) -> None:
    """Compare by name the classes of a checkpoint and of a data set.

    Args:
        known: Those that the checkpoint was trained with; empty: it does not say.
        dataset: To be trained on or measured with.
        part: Train or test.
        strict: Labels are numbers of classes, and are not learnt anew.

    Raises:
        UserError: Names decide the numbers, and one class has two. Other differences are warned of.
    """
    line = difference(class_names(dataset), known, _dataset(dataset, part), 'the checkpoint')
    if line is None:
        return
    text = f'{line.text}: ' + (
        'its head begins with the weights of other classes'
        if part == 'train'
        else 'give the data set the classes of the checkpoint in their order'
    )
    if strict and line.contradicts and is_numbered_by_name(dataset):
        raise UserError(text)
    warn(text)


def checkpoint_classes(checkpoint: dict[str, Any]) -> tuple[str, ...]:
    """The classes that a checkpoint was trained with, as far as it says so."""
    meta = checkpoint.get('meta') or {}
    names = (
        (meta.get('dataset_meta') or {}).get('classes') or meta.get('CLASSES') or ()
    )  # CLASSES: mmdet and mmseg below 3 and 1
    return () if isinstance(names, str) else tuple(map(str, names))


def _dataset(dataset: Any, part: str) -> str:
    return f'{part}_dataloader ({where(next(leaves(dataset)))})'


def _some(names: Sequence[str]) -> str:
    return ', '.join(names[:3]) + ', ...' * (len(names) > 3)
