"""Schedules beside the length of the training, against the rates that they give."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS

import fec_mm.engine
from fec_mm.engine.hooks.schedule_hook import ScheduleHook, misfits
from fec_mm.errors import UserError

from ..small import make_runner

CONFIGS = Path(__file__).parents[2] / 'configs'
Schedule = dict[str, Any]


def build(schedule: Schedule, last: int) -> tuple[Any, torch.optim.Optimizer]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    return PARAM_SCHEDULERS.build(dict(schedule), default_args=dict(optimizer=optimizer, end=last)), optimizer


def warnings(schedule: Schedule, last: int, level: int = logging.WARNING) -> list[str]:
    return [line for severity, line in misfits(build(schedule, last)[0], last) if severity >= level]


def fits(schedule: Schedule, last: int) -> bool:
    """Whether all steps of a training can be taken."""
    scheduler, _ = build(schedule, last)
    try:
        for _ in range(last):
            scheduler.step()
    except ValueError:
        return False
    return True


@pytest.mark.parametrize('options', [{}, dict(begin=2), dict(end=6), dict(begin=3, end=9)])
def test_a_one_cycle_is_refused_exactly_when_it_would_raise(options: Schedule) -> None:
    outcomes = set()
    for last in range(4, 12):
        for total in range(2, 12):
            schedule = dict(type='OneCycleLR', eta_max=1.0, total_steps=total, **options)
            expected = fits(schedule, last)
            outcomes.add(expected)
            if expected:
                warnings(schedule, last)
            else:
                with pytest.raises(UserError, match=f'total_steps is {total} epochs, and the training has {last}: set'):
                    warnings(schedule, last)
    assert outcomes == {True, False}


def test_of_a_resumed_one_the_rest_counts() -> None:
    """It was built for 10 steps and took 4, and the training has 8 or 20."""
    scheduler, _ = build(dict(type='OneCycleLR', eta_max=1.0, total_steps=10), 10)
    for _ in range(4):
        scheduler.step()
    assert next(misfits(scheduler, 8))[0] == logging.INFO
    assert 'reaches to 10 of 20 epochs, and from there on the rate stays' in next(misfits(scheduler, 20))[1]
    scheduler.end = 20
    with pytest.raises(UserError, match='a checkpoint brings its own, start from its weights'):
        list(misfits(scheduler, 20))


@pytest.mark.parametrize(
    ('schedule', 'last', 'says'),
    [
        (
            dict(type='CosineAnnealingLR', T_max=300),
            9,
            'T_max reaches to 300 epochs, and the training has 9: the schedule',
        ),
        (
            dict(type='fec_mm.WarmupCosineLR', T_max=300, warmup=0, eta_min=0.0),
            9,
            'T_max reaches to 300 epochs, and the training',
        ),
        (
            dict(type='OneCycleLR', eta_max=1.0, total_steps=20),
            9,
            'total_steps reaches to 20 epochs, and the training has 9',
        ),
        (
            dict(type='PolyLR', end=80000, by_epoch=False),
            100,
            'end reaches to 80000 iterations, and the training has 100',
        ),
        (dict(type='MultiStepLR', milestones=[8, 11]), 10, 'milestones reaches to 11 epochs, and the training has 10'),
        (
            dict(type='CosineAnnealingLR', T_max=10),
            20,
            'T_max reaches to 10 of 20 epochs, and from there on the rate rises again',
        ),
        (
            dict(type='CosineAnnealingLR', T_max=10, end=10),
            20,
            'T_max reaches to 10 of 20 epochs, and from there on the rate stays',
        ),
        (
            dict(type='PolyLR', end=80000, by_epoch=False),
            160000,
            'end reaches to 80000 of 160000 iterations, and from there on',
        ),
        (
            dict(type='LinearLR', start_factor=0.001, by_epoch=False, end=500),
            588,
            'LinearLR: the warm-up of 500 iterations is 85% of the training, which has 588: shorten it '
            '(docs/custom_dataset.md',
        ),
        (dict(type='ConstantLR', factor=0.1, end=30), 100, 'the warm-up of 30 epochs is 30% of the training'),
        (
            dict(type='fec_mm.WarmupCosineLR', T_max=20, warmup=5, eta_min=0.0),
            20,
            'the warm-up of 5 epochs is 25% of the training',
        ),
    ],
)
def test_what_does_not_fit(schedule: Schedule, last: int, says: str) -> None:
    lines = warnings(schedule, last)
    assert len(lines) == 1
    assert says in lines[0]


@pytest.mark.parametrize(
    ('schedule', 'last'),
    [
        (dict(type='CosineAnnealingLR', T_max=95, begin=5), 100),
        (dict(type='CosineAnnealingLR'), 9),
        (dict(type='OneCycleLR', eta_max=1.0, total_steps=9), 9),
        (dict(type='PolyLR'), 9),
        (dict(type='StepLR', step_size=30), 9),
        (dict(type='MultiStepLR', milestones=[8, 11]), 12),
        (dict(type='ExponentialLR', gamma=0.9), 9),
        (dict(type='LinearLR', start_factor=0.001, by_epoch=False, end=500), 5000),
        (dict(type='ConstantLR', factor=1.0, begin=5), 9),
        (dict(type='LinearLR', start_factor=1.0, end_factor=0.1), 9),
        (dict(type='fec_mm.WarmupCosineLR', T_max=300, warmup=5, eta_min=0.0), 310),
    ],
)
def test_what_fits(schedule: Schedule, last: int) -> None:
    assert warnings(schedule, last, logging.DEBUG) == []


def schedules(node: Any) -> Iterable[Schedule]:
    return node if isinstance(node, (list, tuple)) else [node]


@pytest.mark.parametrize(
    'path', sorted(str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts)
)
def test_no_warning_for_the_configs_here(path: str) -> None:
    """By the data sets' own sizes where a schedule goes by iterations: a thousand in an epoch."""
    cfg = Config.fromfile(CONFIGS / path)
    fec_mm.engine.WarmupCosineLR  # noqa: B018  # is registered by that import
    for schedule in schedules(cfg.param_scheduler):
        schedule = {key: value for key, value in schedule.items() if key != 'convert_to_iter_based'}
        last = cfg.train_cfg.get('max_epochs') or cfg.train_cfg.max_iters
        if not schedule.get('by_epoch', True) and 'max_epochs' in cfg.train_cfg:
            last *= 1000
        assert warnings(schedule, last) == []


def test_a_raised_number_of_epochs_is_refused_at_the_start(tmp_path: Path) -> None:
    runner = make_runner(
        tmp_path,
        epochs=4,
        param_scheduler=dict(type='OneCycleLR', eta_max=1.0, total_steps=2, convert_to_iter_based=True),
    )
    runner.register_hook(ScheduleHook())
    with pytest.raises(UserError, match='total_steps is 8 iterations, and the training has 16: set total_steps'):
        runner.train()
    assert (runner.iter, list(tmp_path.glob('*.pth'))) == (0, [])


def test_an_epoch_schedule_of_a_loop_without_epochs(tmp_path: Path) -> None:
    runner = make_runner(tmp_path, checkpoint=dict(by_epoch=False), param_scheduler=dict(type='StepLR', step_size=2))
    runner._train_loop = dict(type='IterBasedTrainLoop', max_iters=4)
    said: list[str] = []
    runner.logger.warning = said.append  # type: ignore[method-assign]
    runner.register_hook(ScheduleHook())
    runner.train()
    assert len([line for line in said if 'StepLR goes by epochs, and the training has none' in line]) == 1
