"""A training whose numbers are no longer finite is stopped before its checkpoints are lost to them."""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner, find_latest_checkpoint

from fec_mm.errors import UserError
from fec_mm.registry import HOOKS

SMALLEST_SCALE = 2. ** -24  # of a loss; the scaler starts at 2¹⁶ and halves it when it skips a step


@HOOKS.register_module()
class DivergenceHook(Hook):
    """Stop at the first loss that is NaN or infinite, and at the first weight that a gradient made so.

    A gradient is looked at through what it did: the optimizer's step makes the weights NaN, unless mixed precision's
    scaler skips the step, as it should; when it skips all of them its scale shrinks, which is looked at before each
    checkpoint. Clipping by norm spreads one bad gradient over all, so that norms are noted before it.

    No device is waited for: mmengine reads every loss for its log (RuntimeInfoHook, which comes before), so that it is
    there; and whether the weights are finite is computed on the device after each iteration, and read after the next one.
    Before a checkpoint is written it is read at once. (mmdet's CheckInvalidLossHook looks every 50 iterations, after which
    a checkpoint may have been overwritten.)
    """
    priority = 'HIGH'

    def before_train(self, runner: Runner) -> None:
        """Find the weights that are trained."""
        model: Any = runner.model.module if is_model_wrapper(runner.model) else runner.model
        weights = {name: p for name, p in model.named_parameters() if p.requires_grad and p.numel()}
        self._names, self._weights = list(weights), list(weights.values())
        self._norms: torch.Tensor | None = None  # of the weights after iteration `_iteration`, on the device
        self._gradients: dict[str, torch.Tensor] = {}  # norms of those of this iteration, before they were clipped
        self._gradients_before: dict[str, torch.Tensor] = {}  # of iteration `_iteration`
        self._iteration = runner.iter
        wrapper: Any = runner.optim_wrapper
        self._wrappers = list(wrapper.values()) if isinstance(wrapper, OptimWrapperDict) else [wrapper]
        for each in self._wrappers:
            if getattr(each, 'clip_grad_kwargs', None):
                each.clip_func = self._noting_gradients(each.clip_func)

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
        self._gradients_before, self._gradients = self._gradients, {}

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Refuse to save bad weights, and those that no step reaches any more; raises as `after_train_iter`."""
        self._check_weights(runner)
        for wrapper in self._wrappers:
            scaler = getattr(wrapper, 'loss_scaler', None)
            if scaler is not None and scaler.get_scale() < SMALLEST_SCALE:
                raise self._error(runner, 'gradients are not finite, however small the loss is scaled '
                                  f'({scaler.get_scale():.0e}), and mixed precision skips every step')

    def after_train(self, runner: Runner) -> None:
        """Look at the weights of the last iteration; raises as `after_train_iter`."""
        self._check_weights(runner)

    def _check_weights(self, runner: Runner) -> None:
        if self._norms is None:
            return
        bad = [self._names[i] for i in (~torch.isfinite(self._norms)).nonzero().flatten().tolist()]
        self._norms = None
        if bad:
            before = [name for name in self._names if not math.isfinite(self._gradients_before.get(name, 0.))]
            spread = ', and clipping others' if 0 < len(before) < len(bad) else ''
            bad = before or bad
            more = f' (and {len(bad) - 1} more)' if len(bad) > 1 else ''
            raise self._error(runner, f'the gradient made {bad[0]}{more} not finite{spread}')

    def _noting_gradients(self, clip: Callable[..., Any]) -> Callable[..., Any]:
        """`clip`, after the norms of the gradients were taken."""
        names = {id(weight): name for name, weight in zip(self._names, self._weights)}

        def note_and_clip(weights: Sequence[torch.Tensor], **kwargs: Any) -> Any:
            norms = torch._foreach_norm([weight.grad for weight in weights if weight.grad is not None])  # all of them
            self._gradients.update((names.get(id(weight), ''), norm) for weight, norm in zip(weights, norms))
            return clip(weights, **kwargs)

        return note_and_clip

    def _error(self, runner: Runner, what: str) -> UserError:
        last = find_latest_checkpoint(runner.work_dir)
        return UserError(
            f'training diverged at iteration {self._iteration}: {what}: '
            + (f'the last good checkpoint is {last}; start from it with load_from, ' if last else 'start again, ')
            + 'a lower learning rate or clipped gradients (optim_wrapper.clip_grad)')
