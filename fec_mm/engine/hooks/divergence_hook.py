"""A training whose numbers are no longer finite is stopped before its checkpoints are lost to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner, find_latest_checkpoint

from fec_mm.errors import UserError
from fec_mm.registry import HOOKS
from fec_mm.wrappers import unwrap

SMALLEST_SCALE = 2.0**-24  # of a loss; the scaler starts at 2¹⁶ and halves it when it skips a step
MOST_SKIPPED = 40  # in a row, after which it is there


@HOOKS.register_module()
class DivergenceHook(Hook):
    """Stop at the first loss that makes the weights NaN or infinite, and at the first weight that a gradient made so.

    The loss is the one that is trained on, the sum that is called `loss`. When it is not finite the weights are looked
    at at once. They are bad, unless mixed precision's scaler skipped the step, as it should, or the gradient was good:
    then a warning says so, and training goes on, until the weights have not moved in `MOST_SKIPPED` such iterations in
    a row.

    A gradient is looked at through what it did, too; when the scaler skips all steps its scale shrinks, which is looked
    at before each checkpoint. Clipping by norm spreads one bad gradient over all, so that norms are noted before it.

    No device is waited for: mmengine reads every loss for its log (RuntimeInfoHook, which comes before), so that it is
    there; and whether the weights are finite is computed on the device after each iteration, and read after the next
    one. After a bad loss, and before a checkpoint is written, it is read at once. (mmdet's CheckInvalidLossHook looks
    every 50 iterations, after which a checkpoint may have been overwritten.)
    """

    priority = 'HIGH'

    def before_train(self, runner: Runner) -> None:
        """Find the weights that are trained."""
        model: Any = unwrap(runner.model)
        weights = {name: p for name, p in model.named_parameters() if p.requires_grad and p.numel()}
        self._names, self._weights = list(weights), list(weights.values())
        self._norms: torch.Tensor | None = None  # of the weights after iteration `_iteration`, on the device
        self._gradients: dict[str, torch.Tensor] = {}  # norms of those of this iteration, before they were clipped
        self._gradients_before: dict[str, torch.Tensor] = {}  # of iteration `_iteration`
        self._iteration = runner.iter
        self._norms_before: torch.Tensor | None = None  # when a loss was not finite
        self._skipped = 0  # in a row
        wrapper: Any = runner.optim_wrapper
        self._wrappers = list(wrapper.values()) if isinstance(wrapper, OptimWrapperDict) else [wrapper]
        for each in self._wrappers:
            if getattr(each, 'clip_grad_kwargs', None):
                each.clip_func = self._noting_gradients(each.clip_func)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Look at the weights of the iteration before, and at the losses of this one.

        Raises:
            UserError: Naming the iteration, the first bad weight or the losses, and the last checkpoint.
        """
        self._check_weights(runner)
        self._iteration = runner.iter + 1
        with torch.no_grad():
            self._norms = torch.stack([norm.float() for norm in torch._foreach_norm(self._weights)])
        self._gradients_before, self._gradients = self._gradients, {}
        bad = _bad_losses(outputs or {})
        if bad:
            self._judge(runner, bad)
        else:
            self._norms_before, self._skipped = None, 0

    def _judge(self, runner: Runner, bad: str) -> None:
        """After an iteration whose loss is not finite: raise if that did damage, or if it goes on and on."""
        norms = self._norms
        assert norms is not None
        if not torch.isfinite(norms).all():
            raise self._error(runner, f'{bad}, while every weight was finite')
        self._skipped = self._skipped + 1 if self._norms_before is None or torch.equal(norms, self._norms_before) else 1
        self._norms_before = norms
        if self._skipped >= MOST_SKIPPED:
            raise self._error(
                runner, f'{bad}, as in the {MOST_SKIPPED - 1} iterations before, and no weight moves any more'
            )
        if self._skipped == 1:
            runner.logger.warning(
                f'{bad} in iteration {self._iteration}: every weight is finite after it, training goes on'
            )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Refuse to save bad weights, and those that no step reaches any more; raises as `after_train_iter`."""
        self._check_weights(runner)
        for wrapper in self._wrappers:
            scaler = getattr(wrapper, 'loss_scaler', None)
            if scaler is not None and scaler.get_scale() < SMALLEST_SCALE:
                raise self._error(
                    runner,
                    'gradients are not finite, however small the loss is scaled '
                    f'({scaler.get_scale():.0e}), and mixed precision skips every step',
                )

    def after_train(self, runner: Runner) -> None:
        """Look at the weights of the last iteration; raises as `after_train_iter`."""
        self._check_weights(runner)

    def _check_weights(self, runner: Runner) -> None:
        if self._norms is None:
            return
        bad = [self._names[i] for i in (~torch.isfinite(self._norms)).nonzero().flatten().tolist()]
        self._norms = None
        if bad:
            before = [name for name in self._names if not math.isfinite(self._gradients_before.get(name, 0.0))]
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
            + 'a lower learning rate or clipped gradients (optim_wrapper.clip_grad)'
        )


def _bad_losses(outputs: dict[str, Any]) -> str:
    """What is not finite in a loss that is not, as 'loss is nan, loss_bbox is nan'; empty, when the loss is finite.

    Other outputs may be called like losses and be no part of it.
    """
    if 'loss' not in outputs or math.isfinite(_number(outputs['loss'])):
        return ''
    values = {name: _number(value) for name, value in outputs.items() if 'loss' in name}
    return ', '.join(f'{name} is {value}' for name, value in values.items() if not math.isfinite(value))


def _number(value: Any) -> float:
    return float(value.detach().float().mean() if isinstance(value, torch.Tensor) else value)
