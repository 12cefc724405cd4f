"""Losses and weights that are not finite, in trainings of mmengine's runner."""
from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from fec_mm.errors import UserError

from .small import make_runner


@HOOKS.register_module()
class PoisonHook(Hook):
    """At an iteration, multiply the loss, or the gradient of one layer, by a number."""

    def __init__(self, at: int, number: float, layer: str | None = None) -> None:
        self.at, self.number, self.layer = at, number, layer

    def before_train(self, runner: Any) -> None:
        module = runner.model if self.layer is None else getattr(runner.model, self.layer)

        def poison(_module: Any, _inputs: Any, outputs: Any) -> Any:
            if runner.iter == self.at:
                if self.layer is None:
                    return dict(loss=outputs['loss'] * self.number, loss_other=outputs['loss'] * 0)
                outputs.register_hook(lambda gradient: gradient * self.number)
            return outputs

        module.register_forward_hook(poison)


def fail(folder: Path, optim_wrapper: dict | None = None, **poison: Any) -> str:
    with pytest.raises(UserError) as caught:
        make_runner(folder, dict(type='PoisonHook', **poison), dict(type='fec_mm.DivergenceHook'),
                    optim_wrapper=optim_wrapper).train()
    return str(caught.value)


@pytest.mark.parametrize('number', [math.nan, math.inf, -math.inf])
def test_a_bad_loss(tmp_path: Path, number: float) -> None:
    message = fail(tmp_path, at=5, number=number)
    assert message.startswith('training diverged at iteration 6: loss is ')
    assert ', while every weight was finite: the last good checkpoint is ' in message and 'epoch_1.pth; start from' in message


@pytest.mark.parametrize(('at', 'last'), [(5, 'epoch_1'), (7, 'epoch_1'), (11, 'epoch_2'), (0, None)])
def test_a_bad_gradient(tmp_path: Path, at: int, last: str | None) -> None:
    """Of the layer that comes first as well, which depends on the other; also in the last iteration before a checkpoint."""
    message = fail(tmp_path, at=at, number=math.nan, layer='second')
    assert f'at iteration {at + 1}: the gradient made first.weight (and 3 more) not finite' in message
    assert (f'the last good checkpoint is {tmp_path}/{last}.pth' if last else 'start again') in message
    assert len(list(tmp_path.glob('*.pth'))) == at // 4


def test_the_first_bad_weight_is_named(tmp_path: Path) -> None:
    assert 'the gradient made first.weight (and 1 more)' in fail(tmp_path, at=2, number=math.inf, layer='first')


def test_clipping_by_norm_does_not_hide_it(tmp_path: Path) -> None:
    """The norm of all is NaN then, and every gradient is divided by it."""
    clipped = dict(optimizer=dict(type='SGD', lr=1e-3), clip_grad=dict(max_norm=1.))
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
    make_runner(tmp_path, dict(type='PoisonHook', at=3, number=1e3, layer='second'), dict(type='fec_mm.DivergenceHook')).train()
    assert (tmp_path / 'epoch_3.pth').is_file()
