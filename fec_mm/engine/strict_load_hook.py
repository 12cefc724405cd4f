"""A checkpoint of another model is an error."""
from __future__ import annotations

import re
from typing import Any

from mmengine.hooks import Hook
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
    with other heads. Its priority is the lowest: hooks that change checkpoints, such as EMAHook, come before.

    Args:
        name: what to call the checkpoint in the error.
    """
    priority = 'LOWEST'

    def __init__(self, name: str = 'to load') -> None:
        self.name = name

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Load strictly what the runner is about to load.

        Raises:
            UserError: with counts and an example of each kind of difference.
        """
        model = runner.model
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
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
    state = checkpoint.get('state_dict', checkpoint)
    state = {re.sub(r'^module\.', '', key): value for key, value in state.items()}
    try:
        load_state_dict(model, state, strict=True)
    except RuntimeError as error:
        what = differences(model.state_dict(), state)
        raise UserError(f'checkpoint {name} is of another model: {what}: {_advice(state)}') from error


def _advice(state: dict[str, Tensor]) -> str:
    if any(key.startswith('backbone.') for key in state):
        return 'use the config that it was trained with'
    return "convert an authors' checkpoint with tools/model_converters/convert_released.py first"
