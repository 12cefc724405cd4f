"""A checkpoint of another model is an error."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from fec_mm.checkpoints.fitting import check_overlap, load_strictly
from fec_mm.registry import HOOKS
from fec_mm.wrappers import unwrap


@HOOKS.register_module()
class StrictLoadHook(Hook):
    """Refuse a checkpoint whose keys or shapes are not the model's.

    mmengine's runner loads without `strict` and only warns, so that `test.py` would report the score of a model that
    is partly random. Registered by the tools for testing and resuming, not for `load_from`, which fine-tuning uses
    with other heads; there `partly` is for. Its priority is the
    lowest: hooks that change checkpoints, such as EMAHook, come before.

    Args:
        name: What to call the checkpoint in the error.
        partly: For `load_from`, accept one that has something for the model, and refuse one that has nothing.
    """

    priority = 'LOWEST'

    def __init__(self, name: str = 'to load', partly: bool = False) -> None:
        self.name, self.partly = name, partly

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Load strictly what the runner is about to load.

        The config in a checkpoint is a program, which mmengine's runner would run to read a number of GPUs that its
        configs no longer have (mmengine/runner/runner.py, `resume`): it is taken out.

        Raises:
            UserError: With counts and an example of each kind of difference.
        """
        checkpoint.get('meta', {}).pop('config', None)
        model = unwrap(runner.model)
        if self.partly:
            check_overlap(model, checkpoint, self.name)
            return
        load_strictly(model, checkpoint, self.name)
