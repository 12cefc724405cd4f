"""What of a checkpoint fits a model: compared before mmengine loads, which only warns of what does not."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from mmengine.logging import print_log
from mmengine.model.weight_init import PretrainedInit
from mmengine.runner.checkpoint import CheckpointLoader, load_state_dict
from torch import Tensor, nn

from fec_mm.errors import UserError


def differences(
    own: Mapping[str, Tensor], state: Mapping[str, Tensor], may_differ: Callable[[str], bool] = lambda key: False
) -> str:
    """Counts of missing, unknown and misshaped keys with an example each; empty when there are none.

    Args:
        own: The model's state dict.
        state: That of a checkpoint.
        may_differ: Whether a key that only one of them has is no difference.
    """
    missing = [key for key in own if key not in state and not may_differ(key)]
    unknown = [key for key in state if key not in own and not may_differ(key)]
    shapes = [
        f'{key}: {tuple(state[key].shape)} instead of {tuple(own[key].shape)}'
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    return '; '.join(
        f'{len(found)} {what} ({_some(found, 1)})'
        for found, what in ((missing, 'missing'), (unknown, 'unknown'), (shapes, 'of another shape'))
        if found
    )


def load_strictly(model: nn.Module, checkpoint: dict[str, Any], name: str) -> None:
    """Load weights that must be all of a model's and no others.

    Args:
        model: To load into.
        checkpoint: A state dict, or one under `state_dict`.
        name: What to call the checkpoint in the error.

    Raises:
        UserError: With counts and an example of each kind of difference.
    """
    state = _state(checkpoint, name)
    try:
        load_state_dict(model, state, strict=True)
    except RuntimeError as error:
        what = differences(model.state_dict(), state)
        raise UserError(f'checkpoint {name} is of another model: {what}: {_advice(state)}') from error


def check_overlap(model: nn.Module, checkpoint: dict[str, Any], name: str) -> None:
    """Make sure that something of a checkpoint is for a model; log what is not.

    Raises:
        UserError: No tensor has the name and the shape of one of the model's.
    """
    own, state = model.state_dict(), _state(checkpoint, name)
    wrong = differences(own, state)
    if not any(key in own and own[key].shape == value.shape for key, value in state.items()):
        raise UserError(f'checkpoint {name} has nothing for this model: {wrong}: {_advice(state)}')
    if wrong:
        print_log(
            f'checkpoint {name} is loaded but for what is not for this model: {wrong}', 'current', logging.WARNING
        )


def check_pretrained(
    backbone: nn.Module,
    init_cfg: Any,
    may_differ: Callable[[str], bool],
    of_any_length: Callable[[str], bool] = lambda key: False,
) -> None:
    """Log what the checkpoint of an `init_cfg` gives a backbone.

    Args:
        backbone: The backbone, not yet initialised.
        init_cfg: mmengine's: one or several; all but those of type Pretrained are passed over.
        may_differ: As in `differences`.
        of_any_length: Whether a key is a vector that the backbone takes in any length.

    Raises:
        UserError: The checkpoint has no key with the prefix, or other keys or shapes than the backbone.
    """
    for cfg in [init_cfg] if isinstance(init_cfg, Mapping) else init_cfg or []:
        if cfg['type'] not in ('Pretrained', PretrainedInit):
            continue
        name, path, prefix = type(backbone).__name__, cfg['checkpoint'], cfg.get('prefix') or ''
        checkpoint = CheckpointLoader.load_checkpoint(path, 'cpu', logger='silent')
        everything = checkpoint.get('state_dict', checkpoint)
        prefix = f'{prefix.rstrip(".")}.' if prefix else ''
        state = {key[len(prefix) :]: value for key, value in everything.items() if key.startswith(prefix)}
        wrong = '' if state else f"no key starts with '{prefix}'"
        wrong = wrong or differences(
            _fixed(backbone.state_dict(), of_any_length), _fixed(state, of_any_length), may_differ
        )
        if wrong:
            raise UserError(
                f'checkpoint {path} does not initialise this {name}: {wrong}: {_advice(everything, prefix)}'
            )
        own = backbone.state_dict()
        kept = [key for key in own if key not in state]
        unused = [key for key in everything if not key.startswith(prefix) or key[len(prefix) :] not in own]
        print_log(
            f'{name}: {len(own) - len(kept)} of {len(own)} tensors are loaded from {path}; not in it: {_some(kept)}; '
            f'in it, but not for {name}: {_some(unused)}',
            logger='current',
        )


def _fixed(state: Mapping[str, Tensor], of_any_length: Callable[[str], bool]) -> dict[str, Tensor]:
    """A state dict in whose vectors of any length only their first number counts."""
    return {key: value[:1] if of_any_length(key) and value.dim() == 1 else value for key, value in state.items()}


def _some(names: list[str], shown: int = 4) -> str:
    """The first names of a list."""
    return ', '.join(names[:shown]) + (', ...' if len(names) > shown else '') if names else 'nothing'


def _state(checkpoint: dict[str, Any], name: str) -> dict[str, Tensor]:
    state = checkpoint.get('state_dict', checkpoint)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(
            f'checkpoint {name} has no state_dict of tensors: use another one, or convert an '
            "authors' checkpoint with tools/model_converters/convert_released.py first"
        )
    return {re.sub(r'^module\.', '', key): value for key, value in state.items()}


def _advice(state: Mapping[str, Tensor], prefix: str | None = None) -> str:
    """What to do about a checkpoint that does not fit a model or, with a `prefix`, a backbone."""
    if any(key.startswith(('network.', 'backbone.network.')) for key in state) or (
        prefix is None and not any(key.startswith('backbone.') for key in state)
    ):
        return "convert an authors' checkpoint with tools/model_converters/convert_released.py first"
    if prefix is None:
        return 'use the config that it was trained with'
    if prefix != 'backbone.' and any(key.startswith('backbone.') for key in state):
        return "give prefix='backbone.'"
    if prefix and not any(key.startswith(prefix) for key in state):
        parts = _some(sorted({key.split('.')[0] for key in state}))
        return f'its keys start with {parts}; correct the prefix, or leave it out'
    return 'give one of the same family and arch'
