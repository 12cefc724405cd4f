"""A data set without anything to learn or to measure is an error, and so is a sample that contradicts itself."""
from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from fec_mm.datasets.sample_checks import check_samples
from fec_mm.errors import UserError
from fec_mm.registry import HOOKS

# Heads that predict the classes of the data set; auxiliary ones, and those of proposals, predict something else.
HEADS = re.compile(r'(?:^|\.)(?:head|decode_head|bbox_head|mask_head)(?:\.\d+)?$')


@HOOKS.register_module()
class CheckDataHook(Hook):
    """Refuse a loader without samples, and a set of detection without one object, and more classes than the heads have.

    Also has samples checked while they are loaded (`fec_mm.datasets.sample_checks`).
    """

    def before_train(self, runner: Runner) -> None:
        """Check the training data.

        Raises:
            UserError: naming the annotation file.
        """
        _check(runner.train_dataloader.dataset, runner.model)
        _check_objects(runner.train_dataloader.dataset)
        _check_classes(runner.train_dataloader.dataset, runner.model)

    def before_val(self, runner: Runner) -> None:
        """Check the validation data; raises as `before_train`."""
        _check(runner.val_dataloader.dataset, runner.model)

    def before_test(self, runner: Runner) -> None:
        """Check the test data, which may have no annotations; raises as `before_train`."""
        for leaf in leaves(runner.test_dataloader.dataset):
            check_samples(leaf, _ignored(runner.model))


def leaves(dataset: Any) -> Iterator[Any]:
    """The data sets inside of wrappers such as RepeatDataset and ConcatDataset."""
    inner = [dataset.dataset] if hasattr(dataset, 'dataset') else getattr(dataset, 'datasets', [])
    if not inner:
        yield dataset
    for child in inner:
        yield from leaves(child)


def _check(dataset: Any, model: nn.Module) -> None:
    for leaf in leaves(dataset):
        where = _where(leaf)
        if len(leaf) == 0:
            raise UserError(f'{where} gives no sample: check the annotations, metainfo.classes, the image folder and filter_cfg')
        check_samples(leaf, _ignored(model))
        if not hasattr(leaf, 'get_data_info') or 'instances' not in leaf.get_data_info(0):
            continue
        if not any(leaf.get_data_info(i)['instances'] for i in range(len(leaf))):
            raise UserError(f'{where} lists {len(leaf)} images and no object of the classes: '
                            'check the annotations and metainfo.classes')


def _check_objects(dataset: Any) -> None:
    """Objects that training ignores, such as crowds, teach nothing; validation may still count them.

    Raises:
        UserError: no data set that is trained on has any other.
    """
    found = [leaf for leaf in leaves(dataset) if hasattr(leaf, 'get_data_info') and 'instances' in leaf.get_data_info(0)]
    if found and all(instance.get('ignore_flag') for leaf in found for i in range(len(leaf))
                     for instance in leaf.get_data_info(i)['instances']):
        raise UserError(f'{_where(found[0])} lists only objects that training ignores (iscrowd, difficult): '
                        'annotate single objects, or correct iscrowd')


def _ignored(model: nn.Module) -> set[int]:
    """Labels that the model's segmentation heads ignore; the data set may not know of them."""
    found = {getattr(m, 'ignore_index', None) for m in model.modules()}
    return {label for label in found if isinstance(label, int) and label >= 0}


def _where(leaf: Any) -> str:
    prefix = getattr(leaf, 'data_prefix', '')
    return str(getattr(leaf, 'ann_file', '') or (prefix.get('img_path') if isinstance(prefix, dict) else prefix)
               or type(leaf).__name__)


def _check_classes(dataset: Any, model: nn.Module) -> None:
    """Detectors take a label beyond their classes for background, and a GPU says "device-side assert triggered".

    Of wrappers the outermost one knows what is trained on.
    """
    meta = getattr(dataset, 'metainfo', {})
    classes = meta.get('classes') or ()
    if 'thing_classes' in meta:  # panoptic: a head for things alone
        return
    for name, module in model.named_modules():
        count = getattr(module, 'num_classes', None)
        if not HEADS.search(name) or not isinstance(count, int) or getattr(module, 'class_agnostic', False):
            continue
        if count < len(classes):
            where = _where(next(leaves(dataset)))
            raise UserError(f'{where} has {len(classes)} classes and {name} ({type(module).__name__}) has num_classes={count}: '
                            'correct num_classes or metainfo.classes')
