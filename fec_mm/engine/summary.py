"""What a training is about to do, in five lines for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from mmengine.runner import IterBasedTrainLoop, Runner

from fec_mm.datasets.label_survey import survey_labels
from fec_mm.datasets.leaves import class_names, leaves, where

COUNTED = 20_000  # samples whose labels are counted
NAMED = 12  # classes in a line
WIDTH = 8


def summary(runner: Runner) -> list[str]:
    """Data, labels, weights, schedule and place of a training that has not begun; builds its data.

    Args:
        runner: With a training.

    Returns:
        Five lines.
    """
    cfg, loop = runner.cfg, runner.train_loop
    data, loader = loop.dataloader.dataset, loop.dataloader
    found = {
        'data': _data(runner, data),
        'labels': _labels(data),
        'weights': _weights(cfg),
        'schedule': _schedule(runner, loop, len(loader)),
        'output': f'{runner.work_dir}, log in {runner.timestamp}',
    }
    return [f'{name:{WIDTH}}  {text}' for name, text in found.items()]


def _data(runner: Runner, data: Any) -> str:
    classes = class_names(data)
    text = f'{len(data):,} samples to train on ({_places(data)})'
    loop = getattr(runner, 'val_loop', None)
    if loop is not None:
        text += f', {len(loop.dataloader.dataset):,} to validate'
    return text + (f'; {len(classes)} classes' if classes else '')


def _places(data: Any) -> str:
    names = [where(leaf) for leaf in leaves(data)]
    return ', '.join(names[:3]) + (f' and {len(names) - 3} more' if len(names) > 3 else '')


def _labels(data: Any) -> str:
    """How often each class occurs, the most frequent ones first."""
    names = class_names(data)
    surveys = [survey for leaf in leaves(data) if (survey := survey_labels(leaf, maps=50, seconds=2.0)) is not None]
    counts = Counter[int]()
    if surveys:
        for survey in surveys:
            for (_, label), pixels in survey.pixels.items():
                counts[label] += pixels
        every = sum(counts.values())
        shares = [f'{_name(names, label)} {100 * n / every:.1f} %' for label, n in counts.most_common(NAMED)]
        text = f'pixels of {sum(survey.maps for survey in surveys)} label maps: {", ".join(shares)}'
    else:
        # A wrapper may change labels, and then knows of them.
        sources = [data] if hasattr(data, 'get_data_info') else [d for d in leaves(data) if hasattr(d, 'get_data_info')]
        what = 'samples'
        for source in sources:
            for i in np.linspace(0, len(source) - 1, min(COUNTED, len(source)), dtype=int).tolist():
                info = source.get_data_info(i)
                what = 'objects' if 'instances' in info else what
                counts.update(_of(info))
        if not counts:
            return 'none'
        text = f'{what}: ' + ', '.join(f'{_name(names, label)} {n:,}' for label, n in counts.most_common(NAMED))
    return text + (f' and {len(counts) - NAMED} rarer classes' if len(counts) > NAMED else '')


def _of(info: dict[str, Any]) -> Iterable[int]:
    """The labels of a sample."""
    if 'instances' in info:
        return [instance['bbox_label'] for instance in info['instances'] if 'bbox_label' in instance]
    label = info.get('gt_label')
    return [] if label is None else np.atleast_1d(np.asarray(label, dtype=int)).tolist()


def _name(names: tuple[str, ...], label: int) -> str:
    return names[label] if 0 <= label < len(names) else f'no class ({label})'


def _weights(cfg: Any) -> str:
    if cfg.get('load_from'):
        return f'{"continued" if cfg.get("resume") else "all"} from {cfg.load_from}'
    found = sorted({f'{part} from {path}' for part, path in _pretrained(cfg.model)})
    return ', '.join(found) if found else 'initial ones, from no file'


def _pretrained(node: Any, name: str = 'model') -> Iterable[tuple[str, str]]:
    """The parts of a model that begin with weights of a file."""
    if isinstance(node, dict):
        init = node.get('init_cfg')
        for each in init if isinstance(init, (list, tuple)) else [init]:
            if isinstance(each, dict) and each.get('checkpoint'):
                yield name, each['checkpoint']
        for key, child in node.items():
            if key != 'init_cfg':
                yield from _pretrained(child, key)


def _schedule(runner: Runner, loop: Any, batches: int) -> str:
    batch = runner.train_loop.dataloader.batch_size or runner.cfg.train_dataloader.get('batch_size')
    processes = f' in each of {runner.world_size} processes' if runner.world_size > 1 else ''
    by_iteration = isinstance(loop, IterBasedTrainLoop)
    length = f'{loop.max_iters:,} iterations' if by_iteration else f'{loop.max_epochs} epochs of {batches:,} iterations'
    optimizer = (runner.cfg.get('optim_wrapper') or {}).get('optimizer') or {}
    rate = f', {optimizer.get("type")} at {optimizer["lr"]:g}' if 'lr' in optimizer else ''
    text = f'{length} of {batch} samples{processes}{rate}'
    if getattr(runner, 'val_loop', None) is not None:
        text += f'; validation every {loop.val_interval:,} {"iterations" if by_iteration else "epochs"}'
    return text
