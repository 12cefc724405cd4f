"""What is written into a checkpoint is what torch's weights-only loader reads again: the rest is left out, and said."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from fec_mm.checkpoints.loadable import loadable
from fec_mm.checkpoints.reading import check_checkpoint
from fec_mm.errors import UserError


class LoadableHook(Hook):
    """Keeps out of a training's checkpoints what could not be read again: mmengine would save it, and refuse the file
    later.

    `SafeCheckpointHook` registers it when the training begins, after all others of the lowest priority: it sees what
    they have added.
    """

    priority = 'LOWEST'

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._checked = False

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Take out of a checkpoint what could not be read again; a warning says so, once for each part.

        Raises:
            UserError: A part of the model's or the optimizer's state cannot be read again; nothing is written.
        """
        kept = self._without_the_rest(checkpoint, runner)
        if kept is not checkpoint:
            checkpoint.clear()
            checkpoint.update(kept)

    def check_once(self, filename: str, runner: Runner) -> None:
        """Read the first file as a resume would, to its last byte."""
        if self._checked:
            return
        self._checked = True
        try:
            check_checkpoint(filename)
        except UserError as error:
            runner.logger.warning(f'this training could not be continued from its first checkpoint: {error}')

    def _without_the_rest(self, checkpoint: dict[str, Any], runner: Runner) -> dict[str, Any]:
        left_out: dict[str, str] = {}
        try:
            kept: dict[str, Any] = loadable(checkpoint, left_out)
        except RecursionError:  # something that contains itself, which can be saved
            return checkpoint
        for name, kind in left_out.items():
            part = name.split('.')[0]
            if part == 'optimizer' or part.endswith('state_dict'):  # nothing of them can be left out
                raise UserError(
                    f'a checkpoint with {name}, of type {kind}, could not be loaded again, and none is written: '
                    'keep tensors, numbers, strings, and dicts and lists of them there'
                )
        new = {name: kind for name, kind in left_out.items() if name not in self._told}
        if new:
            self._told |= new.keys()
            runner.logger.warning(
                'checkpoints are written without what could not be loaded again: '
                + ', '.join(f'{name} ({kind})' for name, kind in new.items())
                + ': tensors, numbers, strings, and dicts and lists of them can'
            )
        return kept
