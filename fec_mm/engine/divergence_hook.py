"""A training whose numbers are no longer finite is stopped before its checkpoints are lost to them."""
from __future__ import annotations

import math
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner, find_latest_checkpoint

from fec_mm.errors import UserError
from fec_mm.registry import HOOKS


@HOOKS.register_module()
class DivergenceHook(Hook):
    """Stop at the first loss that is NaN or infinite, and at the first weight that a gradient made so.

    A gradient is looked at through what it did: the optimizer's step makes the weights NaN, unless mixed precision's
    scaler skips the step, as it should. No device is waited for: mmengine reads every loss for its log (RuntimeInfoHook,
    which comes before), so that it is there; and whether the weights are finite is computed on the device after each
    iteration, and read after the next one. Before a checkpoint is written it is read at once. (mmdet's
    CheckInvalidLossHook looks every 50 iterations, after which a checkpoint may have been overwritten.)
    """
    priority = 'HIGH'

    def before_train(self, runner: Runner) -> None:
        """Find the weights that are trained."""
        model: Any = runner.model.module if is_model_wrapper(runner.model) else runner.model
        weights = {name: p for name, p in model.named_parameters() if p.requires_grad and p.numel()}
        self._names, self._weights = list(weights), list(weights.values())
        self._norms: torch.Tensor | None = None  # of the weights after iteration `_iteration`, on the device
        self._iteration = runner.iter

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                         outputs: dict[str, Any] | None = None) -> None:
        """Look at the weights of the iteration before, and at the losses of this one.

        Raises:
            UserError: naming the iteration, the first bad weight or the losses, and the last checkpoint.
        """
        self._check_weights(runner)
        self._iteration = runner.iter + 1
        losses = {name: runner.message_hub.get_scalar(f'train/{name}').current() for name in outputs or () if 'loss' in name}
        bad = [f'{name} is {value}' for name, value in losses.items() if not math.isfinite(value)]
        if bad:
            raise self._error(runner, f'{", ".join(bad)}, while every weight was finite')
        with torch.no_grad():
            self._norms = torch.stack([norm.float() for norm in torch._foreach_norm(self._weights)])

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Refuse to save bad weights; raises as `after_train_iter`."""
        self._check_weights(runner)

    def after_train(self, runner: Runner) -> None:
        """Look at the weights of the last iteration; raises as `after_train_iter`."""
        self._check_weights(runner)

    def _check_weights(self, runner: Runner) -> None:
        if self._norms is None:
            return
        bad = (~torch.isfinite(self._norms)).nonzero().flatten().tolist()
        self._norms = None
        if bad:
            more = f' (and {len(bad) - 1} more)' if len(bad) > 1 else ''
            raise self._error(runner, f'the gradient made {self._names[bad[0]]}{more} not finite')

    def _error(self, runner: Runner, what: str) -> UserError:
        last = find_latest_checkpoint(runner.work_dir)
        return UserError(
            f'training diverged at iteration {self._iteration}: {what}: '
            + (f'the last good checkpoint is {last}; start from it with load_from, ' if last else 'start again, ')
            + 'a lower learning rate or clipped gradients (optim_wrapper.clip_grad)')
