"""Schedules of a config beside those of a checkpoint."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from typing import Any

from mmengine.optim.scheduler.param_scheduler import INF, _ParamScheduler
from torch.optim import Optimizer

from .resumed_optimizer import differ, show


def fit_together(schedulers: Sequence[_ParamScheduler], states: Sequence[dict[str, Any]]) -> bool:
    """Whether saved states are of as many schedulers, of the same kinds: their attributes tell."""
    return len(schedulers) == len(states) and all(
        _kind(vars(scheduler)) == _kind(state) for scheduler, state in zip(schedulers, states)
    )


def _kind(attributes: dict[str, Any]) -> tuple[Any, ...]:
    public = sorted(key for key in attributes if not key.startswith('_') and key != 'optimizer')
    return (*public, attributes.get('param_name'), attributes.get('by_epoch'))


def schedule_changes(schedulers: Sequence[_ParamScheduler], states: Sequence[dict[str, Any]]) -> list[str]:
    """Arguments of schedulers that saved states replace: `CosineAnnealingLR.T_max 8 (config: 16)`."""
    found = []
    for scheduler, state in zip(schedulers, states):
        arguments = {name for kind in type(scheduler).__mro__[:-1] for name in inspect.signature(kind).parameters}
        now = vars(scheduler)
        for key in sorted((arguments & now.keys() & state.keys()) - {'optimizer', 'last_step', 'verbose'}):
            if differ(state[key], now[key]):
                found.append(f'{type(scheduler).__name__}.{key} {_show(state[key])} (config: {_show(now[key])})')
    return found


def _show(value: Any) -> str:
    if value == INF:
        return 'none'
    return show(sorted(value)) if isinstance(value, dict) else show(value)  # milestones are counted


def advance(schedulers: Sequence[_ParamScheduler], iterations: int, epoch_length: int | None) -> None:
    """Bring fresh schedulers, and with them the rates of their optimizer, to where they would be after a number of
    iterations.

    Args:
        schedulers: As they are built.
        iterations: How many steps have been taken.
        epoch_length: Steps of an epoch; None of a loop without.
    """
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', UserWarning)  # that the optimizer has taken no step
        for iteration in range(1, iterations + 1):
            for by_epoch in (False, True) if epoch_length and iteration % epoch_length == 0 else (False,):
                for scheduler in schedulers:
                    if scheduler.by_epoch == by_epoch and not getattr(scheduler, 'need_val_args', False):
                        scheduler.step()


def give_rates(schedulers: Sequence[_ParamScheduler], optimizer: Optimizer, saved: dict[str, Any]) -> None:
    """Put what schedulers have set in an optimizer's groups into those of a saved state, which is loaded into it
    later."""
    names = {scheduler.param_name for scheduler in schedulers}
    names |= {'betas'} if 'momentum' in names else set()
    for ours, theirs in zip(optimizer.param_groups, saved['param_groups']):
        theirs.update({key: value for key, value in ours.items() if key in names or key.split('_', 1)[-1] in names})
