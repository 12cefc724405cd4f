"""A data set without anything to learn or to measure is an error, and so is a sample that contradicts itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import IterBasedTrainLoop, Runner
from torch import nn

from fec_mm.datasets.image_suffixes import passed_over
from fec_mm.datasets.label_survey import survey_labels
from fec_mm.datasets.leaves import class_names, leaves, where
from fec_mm.datasets.named_samples import name_samples, restart_workers
from fec_mm.datasets.sample_checks import check_reduced_zero, check_samples
from fec_mm.errors import UserError
from fec_mm.registry import HOOKS

from ..class_checks import (
    check_checkpoint_names,
    check_heads,
    check_one_hot,
    check_spare_outputs,
    check_validation_names,
    checkpoint_classes,
    labels_are_classes,
    warn,
)
from ..evaluator_checks import check_evaluator, check_ignored, check_topk


@HOOKS.register_module()
class CheckDataHook(Hook):
    """Refuse data that cannot be learnt or measured, before the first step: without samples, or without one object.

    And data whose classes are not those of the model, the validation or the checkpoint (`class_checks`), or whose
    metrics have a file of other images (`evaluator_checks`). What may be meant is warned of. Also shows the labels of
    label maps, and has samples checked while they are loaded (`fec_mm.datasets.sample_checks`).
    """

    def __init__(self) -> None:
        self.known: tuple[str, ...] = ()  # the classes of the checkpoint that is loaded

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Note the classes that a checkpoint was trained with."""
        self.known = checkpoint_classes(checkpoint)

    def before_train(self, runner: Runner) -> None:
        """Check the training data, and that the validation to come fits to them; show which labels they have.

        Raises:
            UserError: Naming the annotation file.
        """
        data, model = runner.train_dataloader.dataset, runner.model
        _check(data, model)
        _check_objects(data)
        check_heads(data, model)
        check_one_hot(data, model)
        if len(self.known) == len(class_names(data)):  # otherwise the head is not that of the checkpoint
            check_checkpoint_names(self.known, data, 'train', strict=False)
        loop = _validation(runner)
        metrics = getattr(getattr(loop, 'evaluator', None), 'metrics', ())
        check_spare_outputs(data, model, metrics)
        check_topk(metrics, model, 'val')
        if loop is not None:
            check_validation_names(data, loop.dataloader.dataset, labels_are_classes(model, metrics))
            check_evaluator(metrics, loop.dataloader.dataset, 'val')
        _show(data, model, 'train')
        if loop is not None:
            _show(loop.dataloader.dataset, model, 'val', metrics)
        restart_workers(getattr(runner, 'train_loop', None))

    def before_val(self, runner: Runner) -> None:
        """Check the validation data; raises as `before_train`."""
        _check(runner.val_dataloader.dataset, runner.model)

    def before_test(self, runner: Runner) -> None:
        """Check the test data, which may have no annotations, and its classes; raises as `before_train`."""
        data, model, metrics = runner.test_dataloader.dataset, runner.model, runner.test_evaluator.metrics
        for leaf in leaves(data):
            check_samples(leaf, _ignored(model))
            check_reduced_zero(leaf)
            name_samples(leaf)
        check_spare_outputs(data, model)
        check_checkpoint_names(self.known, data, 'test', labels_are_classes(model, metrics))
        check_topk(metrics, model, 'test')
        check_evaluator(metrics, data, 'test')
        _show(data, model, 'test', metrics)


def _validation(runner: Runner) -> Any:
    """The loop of a validation that will come, or None."""
    loop, train = getattr(runner, 'val_loop', None), getattr(runner, 'train_loop', None)
    last = getattr(train, 'max_iters' if isinstance(train, IterBasedTrainLoop) else 'max_epochs', None)
    return None if last is not None and getattr(train, 'val_begin', 0) > last else loop


def _check(dataset: Any, model: nn.Module) -> None:
    for leaf in leaves(dataset):
        if len(leaf) == 0:
            raise UserError(
                f'{where(leaf)} gives no sample: '
                'check the annotations, metainfo.classes, the image folder and filter_cfg'
            )
        check_samples(leaf, _ignored(model))
        name_samples(leaf)
        check_reduced_zero(leaf)
        if not hasattr(leaf, 'get_data_info') or 'instances' not in leaf.get_data_info(0):
            continue
        if not any(leaf.get_data_info(i)['instances'] for i in range(len(leaf))):
            raise UserError(
                f'{where(leaf)} lists {len(leaf)} images and no object of the classes: '
                'check the annotations and metainfo.classes'
            )


def _check_objects(dataset: Any) -> None:
    """Objects that training ignores, such as crowds, teach nothing; validation may still count them.

    Raises:
        UserError: No data set that is trained on has any other.
    """
    found = [
        leaf for leaf in leaves(dataset) if hasattr(leaf, 'get_data_info') and 'instances' in leaf.get_data_info(0)
    ]
    if found and all(
        instance.get('ignore_flag')
        for leaf in found
        for i in range(len(leaf))
        for instance in leaf.get_data_info(i)['instances']
    ):
        raise UserError(
            f'{where(found[0])} lists only objects that training ignores (iscrowd, difficult): '
            'annotate single objects, or correct iscrowd'
        )


def _ignored(model: nn.Module) -> set[int]:
    """Labels that the model's segmentation heads ignore; the data set may not know of them."""
    found = {getattr(m, 'ignore_index', None) for m in model.modules()}
    return {label for label in found if isinstance(label, int) and label >= 0}


def _show(dataset: Any, model: nn.Module, part: str, metrics: Iterable[Any] = ()) -> None:
    """Say of every data set which images it passes over, which classes occur nowhere and, for training, which labels it
    has."""
    if not is_main_process():
        return
    for leaf in leaves(dataset):
        line = passed_over(leaf)
        if line is not None:
            warn(line)
        survey = survey_labels(leaf, _ignored(model))
        if survey is None:
            continue
        if part == 'train':
            zero = ' (reduce_zero_label)' if getattr(leaf, 'reduce_zero_label', False) else ''
            print_log(f'{survey.read()}{zero}, values and what they mean: {survey.found()}', 'current')
        line = survey.lacking()
        if line is not None:
            warn(line)
        check_ignored(metrics, survey, part)
