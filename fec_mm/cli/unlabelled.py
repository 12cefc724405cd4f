"""Test data without labels: predictions can be written and painted, and nothing can be measured."""

from __future__ import annotations

from typing import Any

from mmengine.evaluator import DumpResults

from fec_mm.datasets.leaves import leaves
from fec_mm.errors import UserError, shown


def is_unlabelled(dataset: Any, scope: str) -> bool:
    """Whether no part of a built data set of a toolbox has anything to compare predictions with.

    Detectors are measured on a COCO file without annotations as they are on others; pycocotools calls what comes out
    -1.
    """
    parts = list(leaves(dataset))
    if scope == 'mmpretrain':
        return all(getattr(part, 'with_label', True) is False for part in parts)
    return scope == 'mmseg' and all(not any(key.endswith('_map_path') for key in _first(part)) for part in parts)


def expect_no_labels(runner: Any, wanted: bool) -> str:
    """Have a runner predict for data without labels, and measure nothing.

    Loading of annotations and the metrics go, but for those that only write (`format_only`); mmseg's, which write label
    maps where `save_label_maps` said, are told to.

    Args:
        runner: mmengine's, for testing.
        wanted: Whether predictions are asked for, by `--out` or `--show-dir`.

    Returns:
        What to log.

    Raises:
        UserError: Nothing is wanted that could be had.
    """
    dataset, evaluator = runner.test_loop.dataloader.dataset, runner.test_loop.evaluator
    for metric in evaluator.metrics:
        if getattr(metric, 'output_dir', None) and hasattr(metric, 'format_only'):
            metric.format_only = True
    evaluator.metrics = [metric for metric in evaluator.metrics if not _compares(metric)]
    if not wanted and not evaluator.metrics:
        first = _first(next(leaves(dataset)))
        raise UserError(
            f'{shown(first.get("img_path", "the first"))} and the other test images have no labels, and nothing '
            'can be measured: give --out for the predictions, or correct the annotations of test_dataloader'
        )
    for leaf in leaves(dataset):
        _skip_annotations(leaf.pipeline)
    return 'the test data have no labels: predictions are made, and nothing is measured'


def _compares(metric: Any) -> bool:
    """Whether a metric is of a toolbox, and more than writing; users' own know what they need."""
    toolbox = type(metric).__module__.split('.')[0] in ('mmpretrain', 'mmseg')
    return toolbox and not isinstance(metric, DumpResults) and not getattr(metric, 'format_only', False)


def _first(part: Any) -> dict[str, Any]:
    """What is known of the first sample of a data set of mmengine's kind; others are taken to have labels."""
    known = hasattr(part, 'get_data_info') and len(part) > 0
    info: dict[str, Any] = part.get_data_info(0) if known else {'seg_map_path': ''}
    return info


def _skip_annotations(pipeline: Any) -> None:
    """Take the steps that load annotations out of a built pipeline, also of those within test-time augmentation."""
    steps = getattr(pipeline, 'transforms', None)
    if isinstance(steps, list):
        steps[:] = [step for step in steps if 'Annotations' not in type(step).__name__]
        for step in steps:
            for branch in getattr(step, 'subroutines', []):
                _skip_annotations(branch)
