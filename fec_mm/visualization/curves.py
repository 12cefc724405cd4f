"""Loss and score of trainings, from what mmengine's `LocalVisBackend` wrote (`*/vis_data/scalars.json`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any, NamedTuple

from fec_mm.errors import UserError, shown
from fec_mm.optional import optional

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What is drawn where a validation has it; of another one, its first scores.
MAIN = ('accuracy/top1', 'accuracy/top5', 'coco/bbox_mAP', 'coco/bbox_mAP_50', 'coco/segm_mAP', 'mIoU', 'aAcc', 'PQ')
MOST = 4  # scores in a plot
METRICS = {'accuracy/top1': 'top-1 accuracy, %', 'coco/bbox_mAP_50': 'box mAP50', 'mIoU': 'mIoU, %'}
TIMES = ('time', 'data_time', 'step', 'epoch', 'iter', 'memory')


class Curves(NamedTuple):
    """Of one training, by the iteration.

    Attributes:
        losses: The loss that is trained on.
        scores: Of the validations, by name. A validation stands at the last iteration that was logged before it.
    """

    losses: dict[int, float]
    scores: dict[str, dict[int, float]]


def read_curves(work_dir: str | Path) -> Curves:
    """What the runs of a work directory logged; one that continued replaces what it repeated.

    Raises:
        UserError: There is no log of scalars, or nothing in it.
    """
    curves = Curves({}, {})
    for file in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        step = 0
        for line in file.read_text().splitlines():
            try:
                record = json.loads(line)
            except ValueError:  # cut short, by a full disk
                continue
            if 'loss' in record:
                if not step:
                    _forget_from(curves, int(record['step']))
                step = int(record['step'])
                curves.losses[step] = record['loss']
            elif step:
                for name in _main_scores(record):
                    curves.scores.setdefault(name, {})[step] = record[name]
    if not curves.losses:
        raise UserError(
            f'{shown(work_dir)} has no */vis_data/scalars.json with a loss: give the folder of a training whose '
            'visualizer has a LocalVisBackend'
        )
    return curves


def _forget_from(curves: Curves, step: int) -> None:
    for points in (curves.losses, *curves.scores.values()):
        for later in [at for at in points if at >= step]:
            del points[later]


def _main_scores(record: Mapping[str, object]) -> list[str]:
    """Names of numbers, the well-known ones if it has any."""
    names = [name for name, value in record.items() if isinstance(value, (int, float)) and name not in TIMES]
    known = [name for name in MAIN if name in names]
    return (known or [name for name in names if not name.startswith(('lr', 'base_lr'))])[:MOST]


def curves_figure(trainings: Mapping[str, Curves]) -> Figure:
    """Losses above scores, against the iteration.

    Args:
        trainings: By the name of each; with several, scores of a name share a style.
    """
    figure: Figure = optional('matplotlib.figure', 'plots of curves').Figure(layout='constrained', figsize=(7, 6))
    scored = any(curves.scores for curves in trainings.values())
    axes = figure.subplots(1 + scored, 1, sharex=True, squeeze=False)[:, 0]
    axes[0].set_ylabel('loss (lower is better)')
    for name, curves in trainings.items():
        axes[0].plot(*_points(curves.losses), label=_plain(name))
    if scored:
        axes[1].set_ylabel('validation (higher is better)')
        for name, curves in trainings.items():
            for score, points in curves.scores.items():
                label = score if len(trainings) == 1 else f'{name}: {score}'
                axes[1].plot(*_points(points), marker='o', markersize=4, label=_plain(label))
        axes[1].legend(fontsize=8)
    if len(trainings) > 1:
        axes[0].legend(fontsize=8)
    else:
        axes[0].set_title(_plain(next(iter(trainings))), fontsize=10)
    for ax in axes:
        ax.grid(alpha=0.3)
    axes[-1].set_xlabel('iteration')
    return figure


def seeds_figure(runs: Sequence[Mapping[str, Any]]) -> Figure:
    """Scores of variants during training, a panel for each experiment, two in a row: the mean over the seeds, and each
    seed as a thin line.

    Args:
        runs: Each with `experiment`, `variant`, `metric` and its `curve`, pairs of epoch or iteration and score.
    """
    experiments = list(dict.fromkeys(run['experiment'] for run in runs))
    columns = min(2, len(experiments))
    rows = -(-len(experiments) // columns)
    figure: Figure = optional('matplotlib.figure', 'plots of curves').Figure(layout='constrained')
    figure.set_size_inches(4.5 * columns, 3.4 * rows)
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat[len(experiments) :]:
        ax.remove()
    for ax, experiment in zip(axes.flat, experiments):
        own = [run for run in runs if run['experiment'] == experiment]
        for i, variant in enumerate(dict.fromkeys(run['variant'] for run in own)):
            curves = [run['curve'] for run in own if run['variant'] == variant]
            for curve in curves:
                ax.plot(*zip(*curve), color=f'C{i}', alpha=0.3, linewidth=0.8)
            means = [mean(scores) for scores in zip(*([score for _, score in curve] for curve in curves))]
            ax.plot(
                [step for step, _ in curves[0]], means, color=f'C{i}', marker='o', markersize=3, label=_plain(variant)
            )
        metric = own[0]['metric']
        ax.set(title=_plain(experiment), ylabel=f'{METRICS.get(metric, metric)}\n(higher is better)')
        ax.set_xlabel('iteration' if metric == 'mIoU' else 'epoch')
        ax.grid(alpha=0.3)
        ax.legend()
    return figure


def _points(points: Mapping[int, float]) -> tuple[Sequence[int], Sequence[float]]:
    steps = sorted(points)
    return steps, [points[step] for step in steps]


def _plain(text: str) -> str:
    return shown(text).replace('$', r'\$')
