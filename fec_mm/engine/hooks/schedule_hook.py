"""Schedules that do not fit the length of the training are said at its start."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook
from mmengine.optim.scheduler import param_scheduler as kinds
from mmengine.optim.scheduler.param_scheduler import INF, _ParamScheduler
from mmengine.runner import IterBasedTrainLoop, Runner

from fec_mm.errors import UserError

from ..warmup_cosine_lr import WarmupCosineLR

MUCH = 1.5  # a schedule this many times as long as the training is no choice of where to stop it
LARGEST_WARMUP = 0.1  # of the training
SHORTER = 'docs/custom_dataset.md says what to shorten for small data'


class ScheduleHook(Hook):
    """Compare the schedules with `max_epochs` or `max_iters`, after a checkpoint was resumed.

    mmengine compares nothing: a one-cycle schedule that is too short raises after its last step, and others fall, rest
    or rise where nobody meant them to. Only the first is an error.
    """

    priority = 'LOWEST'

    def before_train(self, runner: Runner) -> None:
        """Log a line for each schedule that does not fit.

        Raises:
            UserError: A one-cycle schedule would raise before the training ends.
        """
        schedulers = runner.param_schedulers or []
        several = schedulers.values() if isinstance(schedulers, dict) else [schedulers]
        for scheduler in [scheduler for group in several for scheduler in group]:
            if scheduler.by_epoch and isinstance(runner.train_loop, IterBasedTrainLoop):
                if not getattr(scheduler, 'need_val_args', False):
                    runner.logger.warning(
                        f'{type(scheduler).__name__} goes by epochs, and the training has none, so that the '
                        'rate stays as it is: set by_epoch=False in param_scheduler'
                    )
                continue
            for level, line in misfits(scheduler, runner.max_epochs if scheduler.by_epoch else runner.max_iters):
                runner.logger.log(level, line)


def misfits(scheduler: _ParamScheduler, last: int) -> Iterator[tuple[int, str]]:
    """What does not fit, a level and a line each; of schedules of the learning rate.

    Args:
        scheduler: Where it begins, fresh or resumed.
        last: Of the training, in the scheduler's unit.

    Raises:
        UserError: The scheduler would raise.
    """
    check_one_cycle(scheduler, last)
    unit, name = _unit(scheduler), type(scheduler).__name__
    if scheduler.param_name != 'lr':
        return
    setting, length = planned(scheduler)
    if length > last:
        much = length >= MUCH * last or isinstance(scheduler, kinds.MultiStepParamScheduler)
        yield (
            logging.WARNING if much else logging.INFO,
            f'{name}: {setting} reaches to {length} {unit}, and the training has {last}: the schedule is cut off '
            f'there; '
            f'correct param_scheduler if that is not meant ({SHORTER})',
        )
    elif isinstance(scheduler, kinds.CosineAnnealingParamScheduler) and length < min(scheduler.end, last) - 1:
        yield (
            logging.WARNING,
            f'{name}: {setting} reaches to {length} of {last} {unit}, and from there on the rate rises '
            'again: correct T_max, or set end',
        )
    elif 0 < length < last * (1 - LARGEST_WARMUP) and not isinstance(scheduler, kinds.MultiStepParamScheduler):
        yield (
            logging.WARNING,
            f'{name}: {setting} reaches to {length} of {last} {unit}, and from there on the rate stays at '
            'the end of the schedule: correct param_scheduler if that is not meant',
        )
    warmup = warmup_steps(scheduler)
    if warmup > max(LARGEST_WARMUP * last, scheduler._global_step):
        yield (
            logging.WARNING,
            f'{name}: the warm-up of {warmup} {unit} is {min(warmup / last, 1):.0%} of the training, which '
            f'has {last}: shorten it ({SHORTER})',
        )


def _unit(scheduler: _ParamScheduler) -> str:
    return 'epochs' if scheduler.by_epoch else 'iterations'


def check_one_cycle(scheduler: Any, last: int) -> None:
    """mmengine/optim/scheduler/param_scheduler.py raises when `last_step` exceeds `total_steps`; other kinds pass.

    It is stepped once more for each step of the training, where that lies between `begin` and `end`.

    Args:
        scheduler: Where it begins, fresh or resumed.
        last: Of the training, in the scheduler's unit.

    Raises:
        UserError: The scheduler would raise.
    """
    if not isinstance(scheduler, kinds.OneCycleParamScheduler):
        return
    steps = max(0, min(last, scheduler.end - 1) - max(scheduler._global_step + 1, scheduler.begin) + 1)
    if scheduler.last_step + steps > scheduler.total_steps:
        raise UserError(
            f'{type(scheduler).__name__}: total_steps is {scheduler.total_steps} {_unit(scheduler)}, and the '
            f'training has {last}: set total_steps of param_scheduler to the length of the training, or end to that '
            'of the schedule'
            + (
                '; a checkpoint brings its own, start from its weights with load_from, without --resume'
                if scheduler._global_step > 0
                else ''
            )
        )


def planned(scheduler: Any) -> tuple[str, int]:
    """The setting that says where a falling schedule reaches its end, and that step; 0 of those that do not fall to an
    end."""
    if isinstance(scheduler, kinds.OneCycleParamScheduler):
        return 'total_steps', scheduler.begin + scheduler.total_steps
    if isinstance(scheduler, kinds.CosineAnnealingParamScheduler):
        return 'T_max', scheduler.begin + scheduler.T_max
    if isinstance(scheduler, WarmupCosineLR):
        return 'T_max', scheduler.begin + scheduler.T_max
    if isinstance(scheduler, kinds.PolyParamScheduler) and scheduler.end != INF:
        return 'end', scheduler.end
    if isinstance(scheduler, kinds.MultiStepParamScheduler):
        return 'milestones', scheduler.begin + max(scheduler.milestones, default=0)
    return '', 0


def warmup_steps(scheduler: Any) -> int:
    """How many steps a schedule raises the rate for at the start; 0 for those that do not."""
    if isinstance(scheduler, WarmupCosineLR):
        return scheduler.warmup
    if scheduler.begin > 0:
        return 0
    rises = isinstance(scheduler, kinds.LinearParamScheduler) and scheduler.start_factor < scheduler.end_factor
    low = isinstance(scheduler, kinds.ConstantParamScheduler) and scheduler.factor < 1
    return scheduler.end if rises or low else 0
