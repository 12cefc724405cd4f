"""A training that is resumed with other settings is told which ones count."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch.optim import Optimizer

from ..resumed_optimizer import check_optimizer, optimizer_changes
from ..resumed_schedules import advance, fit_together, give_rates, schedule_changes
from .schedule_hook import check_one_cycle


class ResumeSettingsHook(Hook):
    """Compare what a checkpoint ran with and what the config says: optimizer, schedules, length.

    mmengine's runner takes the optimizer's settings and those of the schedules from the checkpoint, whatever the config
    says; schedules are paired by position, also those of different kinds (mmengine/runner/runner.py, `resume`). Here
    schedules that do not belong together are those of the config, advanced to where the checkpoint is. One warning
    names every difference and what is used. Registered by the tools for resuming.

    Args:
        name: What to call the checkpoint.
    """

    priority = 'LOWEST'

    def __init__(self, name: str) -> None:
        self.name = name

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Compare, before the runner loads optimizer and schedules.

        Raises:
            UserError: The optimizer's state is of another optimizer, or of other groups of parameters; the config's
                one-cycle schedule is too short.
        """
        wrapper: Any = runner.optim_wrapper
        optimizer, saved = getattr(wrapper, 'optimizer', None), checkpoint.get('optimizer', {})
        if isinstance(wrapper, OptimWrapperDict) or not isinstance(optimizer, Optimizer) or not _is_state(saved):
            return  # several optimizers, or those of other frameworks
        check_optimizer(optimizer, saved, self.name)
        schedulers = runner.param_schedulers if isinstance(runner.param_schedulers, list) else []
        theirs = checkpoint.get('param_schedulers')
        theirs = theirs if isinstance(theirs, list) and all(isinstance(state, dict) for state in theirs) else []
        kept, replaced = [], ''
        if not schedulers and theirs:
            replaced = 'the config has no param_scheduler, and the rate stays as it is in the checkpoint'
        elif fit_together(schedulers, theirs):
            kept = schedule_changes(schedulers, theirs)
        else:
            loop: Any = runner.train_loop
            for scheduler in schedulers:
                check_one_cycle(scheduler, loop.max_epochs if scheduler.by_epoch else loop.max_iters)
            length = len(loop.dataloader) if isinstance(loop, EpochBasedTrainLoop) else None
            advance(schedulers, checkpoint['meta'].get('iter', 0), length)
            give_rates(schedulers, optimizer, saved)
            checkpoint.pop('param_schedulers', None)  # or the runner would mix them
            ours = ', '.join(type(scheduler).__name__ for scheduler in schedulers)
            replaced = (
                f'its {len(theirs)} param_scheduler do not fit those of the config ({ours}), which are used, as if '
                f'from '
                f'the start, with lr {optimizer.param_groups[0]["lr"]:.3g} now'
            )
        self._tell(runner, checkpoint, optimizer_changes(optimizer, saved) + kept, replaced)

    def _tell(self, runner: Runner, checkpoint: dict[str, Any], kept: list[str], replaced: str) -> None:
        lines = [f'used as in the checkpoint: {", ".join(kept)}'] if kept else []
        lines += [replaced] if replaced else []
        lines += [f'used as in the config: {change}' for change in [_length(runner, checkpoint)] if change]
        if lines:
            runner.logger.warning(
                f'{self.name} ran with other settings than the config has; {"; ".join(lines)}. To train with all of '
                f'the '
                f"config's, start from its weights: --cfg-options load_from={self.name}, without --resume"
            )


def _is_state(saved: Any) -> bool:
    """Whether something from a checkpoint is the state of an optimizer."""
    groups = saved.get('param_groups') if isinstance(saved, dict) else None
    return isinstance(groups, list) and all(isinstance(group, dict) and 'params' in group for group in groups)


def _length(runner: Runner, checkpoint: dict[str, Any]) -> str:
    """The change of the number of epochs or iterations, which mmengine notes in the message hub."""
    key = 'max_epochs' if isinstance(runner.train_loop, EpochBasedTrainLoop) else 'max_iters'
    known = (checkpoint.get('message_hub') or {}).get('runtime_info')
    before, now = known.get(key) if isinstance(known, dict) else None, getattr(runner, key)
    return f'{key} {now} (checkpoint: {before})' if isinstance(before, int) and before != now else ''
