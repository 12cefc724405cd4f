"""A training that is resumed with another total batch is told so."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from fec_mm.registry import HOOKS


@HOOKS.register_module()
class EpochLengthHook(Hook):
    """Warn when epochs have another number of iterations than in the training that is resumed, or one was begun.

    mmengine's runner continues with the epoch and the iteration of the checkpoint, and with the rates' schedules as
    they were converted to iterations (mmengine/runner/runner.py, `resume`). With another total batch both are wrong:
    the schedule ends too early or too late. Of a checkpoint in the middle of an epoch it begins that epoch again.
    Registered by the tools for resuming.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Compare iterations per epoch, of loops that have epochs."""
        loop, meta = runner.train_loop, checkpoint.get('meta', {})
        if not isinstance(loop, EpochBasedTrainLoop) or not {'epoch', 'iter'} <= meta.keys():
            return
        epochs, iterations, length = meta['epoch'], meta['iter'], len(loop.dataloader)
        if iterations == epochs * length:
            return
        if _length_before(checkpoint) == length:
            runner.logger.warning(
                f'the checkpoint is {iterations - epochs * length} iterations ahead of its {epochs} epochs of '
                f'{length}: it was '
                'saved in the middle of an epoch, which is begun again now, or continues from one that was; schedules '
                'by '
                'iterations stay ahead by so many: save at the end of epochs (by_epoch=True) to continue exactly'
            )
            return
        runner.logger.warning(
            f'the checkpoint is at iteration {iterations} after {epochs} epochs, and here epochs have {length} '
            'iterations: keep the total batch when the number of processes changes (train_dataloader.batch_size is per '
            'process), else learning rates that are set per iteration go wrong'
        )


def _length_before(checkpoint: dict[str, Any]) -> float | None:
    """Iterations of an epoch in the training that wrote a checkpoint, as mmengine's RuntimeInfoHook noted; None if it
    did not."""
    known = (checkpoint.get('message_hub') or {}).get('runtime_info')
    if not isinstance(known, dict) or not all(isinstance(known.get(key), int) for key in ('max_iters', 'max_epochs')):
        return None
    return known['max_iters'] / known['max_epochs'] if known['max_epochs'] else None
