"""Losses and weights that are not finite, in trainings of mmengine's runner."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS

from fec_mm.errors import UserError

from ..small import Model, make_runner


@HOOKS.register_module()
class PoisonHook(Hook):
    """At an iteration, or until another one, multiply the loss, or the gradient of one layer, by a number."""

    def __init__(self, at: int, number: float, layer: str | None = None, until: int = 0) -> None:
        self.at, self.number, self.layer, self.until = at, number, layer, max(until, at)

    def before_train(self, runner: Any) -> None:
        module = runner.model if self.layer is None else getattr(runner.model, self.layer)

        def poison(_module: Any, _inputs: Any, outputs: Any) -> Any:
            if self.at <= runner.iter <= self.until:
                if self.layer is None:
                    return dict(loss=outputs['loss'] * self.number, loss_other=outputs['loss'] * 0)
                outputs.register_hook(lambda gradient: gradient * self.number)
            return outputs

        module.register_forward_hook(poison)


def fail(folder: Path, optim_wrapper: dict | None = None, **poison: Any) -> str:
    with pytest.raises(UserError) as caught:
        make_runner(
            folder, dict(type='PoisonHook', **poison), dict(type='fec_mm.DivergenceHook'), optim_wrapper=optim_wrapper
        ).train()
    return str(caught.value)


@pytest.mark.parametrize('number', [math.nan, math.inf, -math.inf])
def test_a_bad_loss(tmp_path: Path, number: float) -> None:
    message = fail(tmp_path, at=5, number=number)
    assert message.startswith('training diverged at iteration 6: loss is ')
    assert (
        ', while every weight was finite: the last good checkpoint is ' in message
        and 'epoch_1.pth; start from' in message
    )


@pytest.mark.parametrize(('at', 'last'), [(5, 'epoch_1'), (7, 'epoch_1'), (11, 'epoch_2'), (0, None)])
def test_a_bad_gradient(tmp_path: Path, at: int, last: str | None) -> None:
    """Of the layer that comes first as well, which depends on the other; also in the last iteration before a
    checkpoint."""
    message = fail(tmp_path, at=at, number=math.nan, layer='second')
    assert f'at iteration {at + 1}: the gradient made first.weight (and 3 more) not finite' in message
    assert (f'the last good checkpoint is {tmp_path}/{last}.pth' if last else 'start again') in message
    assert len(list(tmp_path.glob('*.pth'))) == at // 4


def test_the_first_bad_weight_is_named(tmp_path: Path) -> None:
    assert 'the gradient made first.weight (and 1 more)' in fail(tmp_path, at=2, number=math.inf, layer='first')


def test_clipping_by_norm_does_not_hide_it(tmp_path: Path) -> None:
    """The norm of all is NaN then, and every gradient is divided by it."""
    clipped = dict(optimizer=dict(type='SGD', lr=1e-3), clip_grad=dict(max_norm=1.0))
    message = fail(tmp_path, clipped, at=2, number=math.nan, layer='first')
    assert 'the gradient made first.weight (and 1 more) not finite, and clipping others' in message


def test_a_scale_that_vanished(tmp_path: Path) -> None:
    """Mixed precision whose gradients are never finite skips every step."""
    runner = make_runner(tmp_path, dict(type='fec_mm.DivergenceHook'))
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.optim_wrapper.loss_scaler = torch.amp.GradScaler('cpu', init_scale=1e-9)
    with pytest.raises(UserError, match=r'diverged at iteration 4: .*however small .*\(1e-09\).* skips every step'):
        runner.train()
    assert not list(tmp_path.glob('*.pth'))


def test_finite_trainings_go_on(tmp_path: Path) -> None:
    make_runner(
        tmp_path, dict(type='PoisonHook', at=3, number=1e3, layer='second'), dict(type='fec_mm.DivergenceHook')
    ).train()
    assert (tmp_path / 'epoch_3.pth').is_file()


class HalfWrapper(OptimWrapper):
    """mmengine's AmpOptimWrapper on a CPU: it scales the loss, and skips steps whose gradients are not finite."""

    def __init__(self, scale: float = 2.0**16, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.loss_scaler = torch.amp.GradScaler('cpu', init_scale=scale)

    def backward(self, loss: torch.Tensor, **kwargs: Any) -> None:
        self.loss_scaler.scale(loss).backward(**kwargs)
        self._inner_count += 1

    def step(self, **kwargs: Any) -> None:
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update()


HALF = dict(type=HalfWrapper, optimizer=dict(type='SGD', lr=1e-3))


@pytest.mark.parametrize('number', [math.inf, math.nan])
def test_a_loss_whose_step_the_scaler_skipped_is_no_divergence(tmp_path: Path, number: float) -> None:
    runner = make_runner(
        tmp_path, dict(type='PoisonHook', at=5, number=number), dict(type='fec_mm.DivergenceHook'), optim_wrapper=HALF
    )
    with patch.object(runner.logger, 'warning') as warn:
        runner.train()
    assert runner.optim_wrapper.loss_scaler.get_scale() == 2.0**15
    assert (tmp_path / 'epoch_3.pth').is_file()
    lines = [call.args[0] for call in warn.call_args_list if 'loss' in str(call.args[0])]
    assert len(lines) == 1
    assert lines[0].endswith(' in iteration 6: every weight is finite after it, training goes on')


def test_steps_that_are_skipped_for_good(tmp_path: Path) -> None:
    """Forty in a row, of which the first one warns."""
    with pytest.raises(
        UserError, match='at iteration 42: loss is nan, as in the 39 iterations before, and no weight moves'
    ):
        make_runner(
            tmp_path,
            dict(type='PoisonHook', at=2, number=math.nan, until=10**6),
            dict(type='fec_mm.DivergenceHook'),
            optim_wrapper=HALF,
            epochs=20,
            checkpoint=dict(interval=100),
        ).train()


class StillModel(Model):
    """Its loss is infinite, and its gradient is not: something that is added, and depends on no weight."""

    def forward(self, inputs: torch.Tensor, mode: str = 'tensor') -> Any:
        return dict(loss=super().forward(inputs)['loss'] + math.inf)


def test_a_bad_loss_with_good_gradients_trains_on(tmp_path: Path) -> None:
    runner = make_runner(tmp_path, dict(type='fec_mm.DivergenceHook'), model=StillModel(), epochs=12)
    runner.train()
    assert (tmp_path / 'epoch_12.pth').is_file()


class BesideModel(Model):
    """As a head does that logs what it does not train on."""

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, torch.Tensor]:
        outputs = super().train_step(data, optim_wrapper)
        return {**outputs, 'loss_of_a_teacher': torch.tensor(math.nan), 'lossless_ratio': torch.tensor(math.inf)}


@pytest.mark.parametrize(
    'default_hooks', [{}, dict(runtime_info=None, logger=None)], ids=['', "without mmengine's hooks"]
)
def test_only_the_loss_that_is_trained_on_counts(tmp_path: Path, default_hooks: dict) -> None:
    make_runner(tmp_path, dict(type='fec_mm.DivergenceHook'), model=BesideModel(), default_hooks=default_hooks).train()
    assert (tmp_path / 'epoch_3.pth').is_file()


def test_without_runtime_info_a_bad_loss_is_found(tmp_path: Path) -> None:
    with pytest.raises(UserError, match='diverged at iteration 2: loss is nan, while every weight'):
        make_runner(
            tmp_path,
            dict(type='PoisonHook', at=1, number=math.nan),
            dict(type='fec_mm.DivergenceHook'),
            default_hooks=dict(runtime_info=None, logger=None),
        ).train()
