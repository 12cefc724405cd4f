"""What the data sets and metrics of the toolboxes say of data of one's own, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import FrameType
from typing import Any

PAGE = 'docs/custom_dataset.md'


def explain_data(error: BaseException, message: str, frames: Iterable[FrameType]) -> str | None:
    """The line for an exception of a data set or a metric, or None for another one.

    Args:
        error: As caught.
        message: Its text, without what others wrap around it.
        frames: Those it went through, innermost first.
    """
    frames = list(frames)
    for about in (_inherited_argument, _folders, _foreign_classes, _spare_outputs, _no_masks):
        line = about(error, message, frames)
        if line is not None:
            return line
    return None


def _inherited_argument(error: BaseException, message: str, frames: list[FrameType]) -> str | None:
    """A config merges its own data set into the one that it inherits, with all of its arguments."""
    from mmengine.dataset import BaseDataset

    match = re.search(r"unexpected keyword argument '(\w+)'", message)
    kinds = (frame.f_locals.get('obj_cls') for frame in frames)  # mmengine/registry/build_functions.py, build_from_cfg
    kind = next((kind for kind in kinds if isinstance(kind, type)), None)
    if not isinstance(error, TypeError) or match is None or kind is None or not issubclass(kind, BaseDataset):
        return None
    return (
        f"{kind.__name__} takes no '{match[1]}', which may be of the data set that the config inherits: replace that "
        f'one '
        f"with dataset=dict(_delete_=True, type='{kind.__name__}', ...) ({PAGE}), or correct the name"
    )


def _folders(error: BaseException, message: str, frames: list[FrameType]) -> str | None:
    """mmpretrain/datasets/custom.py, `_find_samples`."""
    match = re.search(
        r"The number of subfolders \((\d+)\) doesn't match the number of specified classes \((\d+)\)", message
    )
    dataset: Any = next((frame.f_locals.get('self') for frame in frames), None)
    if match is None or not hasattr(dataset, 'img_prefix'):
        return None
    return (
        f'{dataset.img_prefix} has {match[1]} folders of classes and {type(dataset).__name__} {match[2]} classes: for '
        f"classes of your own replace the data set with dataset=dict(_delete_=True, type='CustomDataset', ...) "
        f'({PAGE}), or '
        'correct metainfo.classes'
    )


def _foreign_classes(error: BaseException, message: str, frames: list[FrameType]) -> str | None:
    """mmseg/datasets/basesegdataset.py, `get_label_map`."""
    kind = next((frame.f_locals.get('cls') for frame in frames), None)
    if not isinstance(error, ValueError) or 'subset of classes' not in message or not hasattr(kind, 'METAINFO'):
        return None
    known: Any = kind
    wanted = frames[0].f_locals.get('new_classes') or ()
    other = next((name for name in wanted if name not in known.METAINFO['classes']), '')
    return (
        f"metainfo.classes has '{other}', which is no class of {known.__name__}: for classes of your own set "
        f"type='BaseSegDataset' ({PAGE}), or correct the name"
    )


def _spare_outputs(error: BaseException, message: str, frames: list[FrameType]) -> str | None:
    """mmdet/evaluation/metrics/coco_metric.py: a label beyond the categories of the data."""
    frame = next(iter(frames), None)
    if not isinstance(error, IndexError) or frame is None or frame.f_code.co_name != 'results2json':
        return None
    metric = frame.f_locals['self']
    return (
        f'{type(metric).__name__} has {len(metric.cat_ids)} classes and the model predicts class '
        f'{frame.f_locals["label"]}: '
        'set num_classes of its heads to the number of classes, or correct metainfo.classes'
    )


def _no_masks(error: BaseException, message: str, frames: list[FrameType]) -> str | None:
    """The same, `compute_metrics`."""
    if not isinstance(error, KeyError) or 'segm is not in results' not in message:
        return None
    return "the model yields no masks, and its evaluator measures 'segm': set metric='bbox'"
