"""Test data without labels: predictions can be written and painted, and nothing can be measured."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fec_mm.engine.check_data_hook import leaves
from fec_mm.errors import UserError, shown


def is_unlabelled(dataset: Any, scope: str) -> bool:
    """Whether no sample of a built data set of a toolbox has anything to compare predictions with."""
    tests = {'mmpretrain': _has_truth, 'mmdet': _has_instances, 'mmseg': lambda info: 'seg_map_path' in info}
    return len(dataset) > 0 and not any(tests[scope](info) for info in _samples(dataset, every=scope == 'mmdet'))


def expect_no_labels(runner: Any, scope: str, wanted: bool) -> str:
    """Have a runner predict for data without labels, and measure nothing.

    Loading of annotations and the metrics go, but for those that only write (`format_only`); mmseg's, which write label maps
    where `save_label_maps` said, are told to.

    Args:
        runner: mmengine's, for testing.
        scope: the toolbox.
        wanted: whether predictions are asked for, by `--out` or `--show-dir`.

    Returns:
        What to log.

    Raises:
        UserError: nothing is wanted that could be had.
    """
    dataset, evaluator = runner.test_loop.dataloader.dataset, runner.test_loop.evaluator
    for metric in evaluator.metrics:
        if getattr(metric, 'output_dir', None) and hasattr(metric, 'format_only'):
            metric.format_only = True
    evaluator.metrics = [metric for metric in evaluator.metrics if getattr(metric, 'format_only', False)]
    if not wanted and not evaluator.metrics:
        first = next(iter(_samples(dataset, every=False)))
        raise UserError(f"{shown(first.get('img_path', 'the first'))} and the other test images have no labels, and nothing "
                        'can be measured: give --out for the predictions, or correct the annotations of test_dataloader')
    for leaf in leaves(dataset):
        _skip_annotations(leaf.pipeline)
    return 'the test data have no labels: predictions are made, and nothing is measured'


def _samples(dataset: Any, every: bool) -> Iterator[dict[str, Any]]:
    """What is known of every sample, or of the first of each data set."""
    for leaf in leaves(dataset):
        if hasattr(leaf, 'get_data_info'):
            yield from (leaf.get_data_info(i) for i in range(len(leaf) if every else min(1, len(leaf))))
        elif len(leaf):
            yield {'instances': None, 'seg_map_path': '', 'gt_label': None}  # not to be looked into: as with labels


def _has_truth(info: dict[str, Any]) -> bool:
    return any(key.startswith('gt_') for key in info)


def _has_instances(info: dict[str, Any]) -> bool:
    """Of detection; a data set of something else counts as having labels."""
    return 'instances' not in info or info['instances'] is None or len(info['instances']) > 0


def _skip_annotations(pipeline: Any) -> None:
    """Take the steps that load annotations out of a built pipeline, also of those within test-time augmentation."""
    steps = getattr(pipeline, 'transforms', None)
    if isinstance(steps, list):
        steps[:] = [step for step in steps if 'Annotations' not in type(step).__name__]
        for step in steps:
            for branch in getattr(step, 'subroutines', []):
                _skip_annotations(branch)
