"""A checkpoint of another model is an error."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner
from mmengine.runner.checkpoint import load_state_dict
from torch import Tensor, nn

from fec_mm.errors import UserError
from fec_mm.models.loading import differences
from fec_mm.registry import HOOKS


@HOOKS.register_module()
class StrictLoadHook(Hook):
    """Refuse a checkpoint whose keys or shapes are not the model's.

    mmengine's runner loads without `strict` and only warns, so that `test.py` would report the score of a model that
    is partly random. Registered by the tools for testing and resuming, not for `load_from`, which fine-tuning uses
    with other heads; there `partly` is for. Its priority is the
    lowest: hooks that change checkpoints, such as EMAHook, come before.

    Args:
        name: what to call the checkpoint in the error.
        partly: for `load_from`, accept one that has something for the model, and refuse one that has nothing.
    """

    priority = 'LOWEST'

    def __init__(self, name: str = 'to load', partly: bool = False) -> None:
        self.name, self.partly = name, partly

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Load strictly what the runner is about to load.

        The config in a checkpoint is a program, which mmengine's runner would run to read a number of GPUs that its
        configs no longer have (mmengine/runner/runner.py, `resume`): it is taken out.

        Raises:
            UserError: with counts and an example of each kind of difference.
        """
        checkpoint.get('meta', {}).pop('config', None)
        model = runner.model
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        if self.partly:
            check_overlap(model, checkpoint, self.name)
            return
        load_strictly(model, checkpoint, self.name)


def load_strictly(model: nn.Module, checkpoint: dict[str, Any], name: str) -> None:
    """Load weights that must be all of a model's and no others.

    Args:
        model: to load into.
        checkpoint: a state dict, or one under `state_dict`.
        name: what to call the checkpoint in the error.

    Raises:
        UserError: with counts and an example of each kind of difference.
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
        UserError: no tensor has the name and the shape of one of the model's.
    """
    own, state = model.state_dict(), _state(checkpoint, name)
    wrong = differences(own, state)
    if not any(key in own and own[key].shape == value.shape for key, value in state.items()):
        raise UserError(f'checkpoint {name} has nothing for this model: {wrong}: {_advice(state)}')
    if wrong:
        print_log(
            f'checkpoint {name} is loaded but for what is not for this model: {wrong}', 'current', logging.WARNING
        )


def _state(checkpoint: dict[str, Any], name: str) -> dict[str, Tensor]:
    state = checkpoint.get('state_dict', checkpoint)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(
            f'checkpoint {name} has no state_dict of tensors: use another one, or convert an '
            "authors' checkpoint with tools/model_converters/convert_released.py first"
        )
    return {re.sub(r'^module\.', '', key): value for key, value in state.items()}


def _advice(state: dict[str, Tensor]) -> str:
    if any(key.startswith('backbone.') for key in state):
        return 'use the config that it was trained with'
    return "convert an authors' checkpoint with tools/model_converters/convert_released.py first"
