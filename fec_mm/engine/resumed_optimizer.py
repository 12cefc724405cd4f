"""Whether an optimizer can continue from a saved state, and which settings it then gets from it."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch.optim import Optimizer

from fec_mm.errors import UserError

# How a step is computed, not what it does.
IMPLEMENTATION = {'params', 'foreach', 'fused', 'capturable', 'differentiable'}
ADVICE = (
    'resume with the config that it was trained with, or start from its weights: --cfg-options load_from={}, '
    'without --resume'
)


def check_optimizer(optimizer: Optimizer, saved: dict[str, Any], name: str) -> None:
    """Make sure that an optimizer can load a state and take a step with it.

    Args:
        optimizer: Fresh; left as it is.
        saved: The state dict of one.
        name: Of the checkpoint.

    Raises:
        UserError: The groups of parameters are others, or the optimizer is of another kind.
    """
    ours = [len(group['params']) for group in optimizer.param_groups]
    theirs = [len(group['params']) for group in saved['param_groups']]
    if ours != theirs:
        raise UserError(
            f'checkpoint {name} has {sum(theirs)} parameters in {len(theirs)} groups for its optimizer, and the '
            f'config makes {sum(ours)} in {len(ours)}, by another paramwise_cfg or other frozen layers: '
            + ADVICE.format(name)
        )
    try:
        _step(optimizer, saved)
    except KeyError as error:
        raise UserError(
            f'checkpoint {name} has the state of another optimizer, without {error} for the '
            f'{type(optimizer).__name__} of the config: {ADVICE.format(name)}'
        ) from error
    except Exception:  # optimizers that cannot be tried out so: of other packages, those that call a closure
        return


def _step(optimizer: Optimizer, saved: dict[str, Any]) -> None:
    """Take a step with a copy of an optimizer, on a copy of the first parameter of each group that has a state."""
    trial, state = copy.copy(optimizer), saved.get('state') or {}
    firsts = [next((number for number in group['params'] if number in state), None) for group in saved['param_groups']]
    trial.load_state_dict({**saved, 'state': {number: state[number] for number in firsts if number is not None}})
    for group in trial.param_groups:
        parameter = next((p for p in group['params'] if p in trial.state), group['params'][0])
        clone = torch.nn.Parameter(parameter.detach().clone())
        clone.grad = torch.zeros_like(clone)
        group['params'] = [clone]
        if parameter in trial.state:
            trial.state[clone] = copy.deepcopy(trial.state.pop(parameter))
    trial.step()


def optimizer_changes(optimizer: Optimizer, saved: dict[str, Any]) -> list[str]:
    """Settings of an optimizer that a saved state replaces: `lr 0.001 (config: 0.01)`, of many groups the first.

    What schedules have changed since is left out; their initial values are compared.
    """
    found: dict[str, str] = {}
    for ours, theirs in zip(optimizer.param_groups, saved['param_groups']):
        now, before = _settings(ours), _settings(theirs)
        for key in now.keys() & before.keys():
            if differ(before[key], now[key]):
                found.setdefault(key, f'{key} {show(before[key])} (config: {show(now[key])})')
    return [found[key] for key in sorted(found)]


def _settings(group: dict[str, Any]) -> dict[str, Any]:
    """The settings of a group of parameters as they were before any schedule, by name."""
    scheduled = {key.removeprefix('initial_') for key in group if key.startswith('initial_')}
    if 'max_lr' in group:  # a one-cycle schedule sets it, whatever the optimizer had
        scheduled -= {'lr'}
    hidden = IMPLEMENTATION | scheduled | {'lr'} | ({'betas'} if 'momentum' in scheduled else set())
    settings = {
        key: value
        for key, value in group.items()
        if key not in hidden and not key.startswith(('initial_', 'max_', 'min_'))
    }
    settings.update({key: group[f'initial_{key}'] for key in scheduled})
    if 'initial_lr' not in group:
        settings['lr'] = group.get('lr')
    return {key: value for key, value in settings.items() if _is_short(value)}


def _is_short(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return len(value) < 9 and all(map(_is_short, value))
    return value is None or isinstance(value, (bool, int, float, str)) or getattr(value, 'numel', lambda: 0)() == 1


def differ(before: Any, now: Any) -> bool:
    """Whether two settings are different; lists and tuples of equal values are not."""
    if isinstance(before, (list, tuple)) and isinstance(now, (list, tuple)):
        return len(before) != len(now) or any(map(differ, before, now))
    if isinstance(before, (int, float)) and isinstance(now, (int, float)):
        return not math.isclose(before, now, rel_tol=1e-9)
    try:
        return bool(before != now)
    except (RuntimeError, ValueError):  # of arrays
        return str(before) != str(now)


def show(value: Any) -> str:
    """A setting in a line."""
    if isinstance(value, float):
        return f'{value:.6g}'
    return getattr(value, '__name__', None) or str(value)
