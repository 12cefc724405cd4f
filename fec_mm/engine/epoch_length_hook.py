"""A training that is resumed with another total batch is told so."""
from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from fec_mm.registry import HOOKS


@HOOKS.register_module()
class EpochLengthHook(Hook):
    """Warn when epochs have another number of iterations than in the training that is resumed.

    mmengine's runner continues with the epoch and the iteration of the checkpoint, and with the rates' schedules as they
    were converted to iterations (mmengine/runner/runner.py, `resume`). With another total batch both are wrong: the
    schedule ends too early or too late. Registered by the tools for resuming.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Compare iterations per epoch, of loops that have epochs."""
        loop, meta = runner.train_loop, checkpoint.get('meta', {})
        if not isinstance(loop, EpochBasedTrainLoop) or not {'epoch', 'iter'} <= meta.keys():
            return
        length = len(loop.dataloader)
        if meta['iter'] != meta['epoch'] * length:
            runner.logger.warning(
                f'the checkpoint is at iteration {meta["iter"]} after {meta["epoch"]} epochs, and here epochs have {length} '
                'iterations: keep the total batch when the number of processes changes (train_dataloader.batch_size is per '
                'process), else learning rates that are set per iteration go wrong')
