"""Resuming with other optimizers, schedules and lengths than a checkpoint ran with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.optim import OptimWrapper

from fec_mm.engine.hooks.resume_settings_hook import ResumeSettingsHook
from fec_mm.engine.resumed_optimizer import check_optimizer
from fec_mm.engine.resumed_schedules import advance
from fec_mm.errors import UserError
from tests.tools.commands import load

from ..small import make_runner

ADAM: dict[str, Any] = dict(type='AdamW', lr=1e-2, betas=(0.8, 0.9), weight_decay=0.01)
COSINE = dict(type='CosineAnnealingLR', T_max=2)
LINEAR = dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=4)
ONE_CYCLE = dict(type='OneCycleLR', eta_max=0.1, total_steps=3, convert_to_iter_based=True)


def run(
    folder: Path, epochs: int, optimizer: dict, schedulers: list[dict], resume: bool = True, **wrapper: Any
) -> tuple[str, Any]:
    """Train, saving each epoch; returns the warnings, and the rate of each step by its iteration."""
    options: dict[str, Any] = dict(resume=True, load_from=str(folder / 'epoch_2.pth')) if resume else {}
    runner = make_runner(
        folder,
        epochs=epochs,
        optim_wrapper=dict(optimizer=dict(optimizer), **wrapper),
        param_scheduler=[dict(each) for each in schedulers],
        **options,
    )
    said: list[str] = []
    runner.logger.warning = said.append  # type: ignore[method-assign]
    if resume:
        runner.register_hook(ResumeSettingsHook('epoch_2.pth'))
    rates: dict[int, float] = {}
    step = OptimWrapper.update_params

    def note(self: OptimWrapper, *args: Any, **kwargs: Any) -> None:
        rates[runner.iter] = self.param_groups[0]['lr']
        step(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OptimWrapper, 'update_params', note)
        runner.train()
    return ' '.join(line for line in said if 'other settings' in line), rates


@pytest.mark.parametrize('schedulers', [[], [COSINE], [LINEAR, dict(COSINE, begin=1)], [ONE_CYCLE]])
@pytest.mark.parametrize('optimizer', [ADAM, dict(type='SGD', lr=1e-2, momentum=0.9)])
def test_the_same_settings_are_no_warning(tmp_path: Path, optimizer: dict, schedulers: list[dict]) -> None:
    run(tmp_path, 3, optimizer, schedulers, resume=False)
    assert run(tmp_path, 3, optimizer, schedulers)[0] == ''


def test_settings_are_compared_one_by_one(tmp_path: Path) -> None:
    """And those of the checkpoint are used."""
    run(tmp_path, 2, ADAM, [COSINE], resume=False)
    text, rates = run(tmp_path, 4, dict(ADAM, lr=0.5, betas=(0.9, 0.999), weight_decay=0.3), [dict(COSINE, T_max=4)])
    assert text == (
        'epoch_2.pth ran with other settings than the config has; used as in the checkpoint: betas (0.8, 0.9) '
        '(config: (0.9, '
        '0.999)), lr 0.01 (config: 0.5), weight_decay 0.01 (config: 0.3), CosineAnnealingLR.T_max 2 (config: 4), '
        'CosineAnnealingLR.end 2 (config: 4); used as in the config: max_epochs 4 (checkpoint: 2). To train with all '
        'of the '
        "config's, start from its weights: --cfg-options load_from=epoch_2.pth, without --resume"
    )
    assert [rates[i] for i in range(8, 16)] == pytest.approx([0.005] * 8)  # where its schedule ended


def test_a_longer_training_alone(tmp_path: Path) -> None:
    run(tmp_path, 2, ADAM, [ONE_CYCLE], resume=False)
    text, _ = run(tmp_path, 3, ADAM, [ONE_CYCLE])
    assert (
        'used as in the checkpoint: OneCycleLR.end 8 (config: 12); used as in the config: max_epochs 3 (checkpoint: 2)'
        in text
    )


@pytest.mark.parametrize(
    ('before', 'after'),
    [
        ([COSINE], [dict(type='PolyLR', power=1.0, eta_min=0.0)]),
        ([COSINE], [LINEAR, dict(type='StepLR', step_size=1)]),
        ([LINEAR, COSINE], [dict(type='ExponentialLR', gamma=0.5)]),
        ([], [LINEAR]),
        ([ONE_CYCLE], [dict(COSINE, T_max=4)]),
        ([COSINE], [dict(ONE_CYCLE, total_steps=5)]),
    ],
)
def test_other_schedules_are_the_configs_as_if_from_the_start(
    tmp_path: Path, before: list[dict], after: list[dict]
) -> None:
    """Rates are those of a training that had them from its first step."""
    expected = run(tmp_path / 'whole', 4, ADAM, after, resume=False)[1]
    run(tmp_path, 2, ADAM, before, resume=False)
    text, rates = run(tmp_path, 4, ADAM, after)
    assert f'its {len(before)} param_scheduler do not fit those of the config' in text
    assert 'used as in the checkpoint' not in text
    assert {i: rates[i] for i in range(8, 16)} == pytest.approx({i: expected[i] for i in range(8, 16)})
    saved = load(tmp_path / 'epoch_4.pth')
    assert len(saved['param_schedulers']) == len(after)
    assert {int(state['step']) for state in saved['optimizer']['state'].values()} == {16}  # the optimizer continued


def test_a_schedule_that_is_too_short_is_one_line(tmp_path: Path) -> None:
    run(tmp_path, 2, ADAM, [COSINE], resume=False)
    with pytest.raises(UserError, match='total_steps is 4 iterations, and the training has 16: set total_steps'):
        run(tmp_path, 4, ADAM, [dict(ONE_CYCLE, total_steps=1)])


def test_no_schedule_any_more(tmp_path: Path) -> None:
    rates = run(tmp_path, 2, ADAM, [COSINE], resume=False)[1]
    text, after = run(tmp_path, 3, ADAM, [])
    assert 'the config has no param_scheduler, and the rate stays as it is in the checkpoint' in text
    assert after[8] == after[11] == pytest.approx(load(tmp_path / 'epoch_2.pth')['optimizer']['param_groups'][0]['lr'])
    assert after[8] <= rates[7]


@pytest.mark.parametrize(
    ('before', 'after', 'missing'),
    [
        (dict(type='SGD', lr=1e-2, momentum=0.9), ADAM, 'step'),
        (ADAM, dict(type='SGD', lr=1e-2, momentum=0.9), 'momentum'),
        (dict(type='SGD', lr=1e-2), ADAM, 'betas'),
        (ADAM, dict(type='RMSprop', lr=1e-2), 'square_avg'),
        (ADAM, dict(type='Adamax', lr=1e-2), 'exp_inf'),
    ],
)
def test_another_optimizer_is_one_line(tmp_path: Path, before: dict, after: dict, missing: str) -> None:
    run(tmp_path, 2, before, [], resume=False)
    with pytest.raises(
        UserError,
        match=rf"epoch_2\.pth has the state of another optimizer, without '{missing}' for the "
        rf'{after["type"]} of the config: resume with the config',
    ):
        run(tmp_path, 3, after, [])


def test_an_optimizer_of_the_same_kind_goes_on(tmp_path: Path) -> None:
    """Adam takes AdamW's state, and what tells them apart is a setting."""
    run(tmp_path, 2, ADAM, [], resume=False)
    text, _ = run(tmp_path, 3, dict(type='Adam', lr=1e-2, betas=(0.8, 0.9), fused=True), [])
    assert 'decoupled_weight_decay True (config: False)' in text
    assert 'fused' not in text


def test_other_groups_are_one_line(tmp_path: Path) -> None:
    run(tmp_path, 2, ADAM, [], resume=False)
    with pytest.raises(
        UserError,
        match='has 4 parameters in 1 groups for its optimizer, and the config makes 4 in 4, by another paramwise_cfg',
    ):
        run(tmp_path, 3, ADAM, [], paramwise_cfg=dict(bias_decay_mult=0.0))


def test_other_factors_of_groups_are_compared(tmp_path: Path) -> None:
    run(tmp_path, 2, ADAM, [COSINE], resume=False, paramwise_cfg=dict(bias_decay_mult=0.0))
    text, _ = run(tmp_path, 2, ADAM, [COSINE], paramwise_cfg=dict(bias_decay_mult=0.0, bias_lr_mult=2.0))
    assert 'lr 0.01 (config: 0.02)' in text
    assert 'weight_decay' not in text


def test_trying_out_leaves_everything_as_it_is() -> None:
    weights = [torch.nn.Parameter(torch.ones(2)) for _ in range(3)]
    old, new = (torch.optim.Adam([dict(params=weights[:2]), dict(params=weights[2:], lr=3.0)]) for _ in range(2))
    for weight in weights:
        weight.grad = torch.ones(2)
    old.step()
    saved = old.state_dict()
    before = (
        [weight.detach().clone() for weight in weights],
        [state['exp_avg'].clone() for state in saved['state'].values()],
    )
    check_optimizer(new, saved, 'x')
    assert all(map(torch.equal, weights, before[0]))
    assert all(torch.equal(state['exp_avg'], value) for state, value in zip(saved['state'].values(), before[1]))
    assert not new.state
    assert [int(state['step']) for state in saved['state'].values()] == [1, 1, 1]
    assert [group['params'] for group in new.param_groups] == [weights[:2], weights[2:]]


def test_optimizers_that_cannot_be_tried_out_pass() -> None:
    weights = [torch.nn.Parameter(torch.ones(2))]
    optimizer = torch.optim.LBFGS(weights)  # its step wants a closure
    check_optimizer(optimizer, optimizer.state_dict(), 'x')


def test_advancing_a_loop_without_epochs() -> None:
    from mmengine.optim import LinearLR

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    advance([LinearLR(optimizer, start_factor=0.5, end=11, by_epoch=False)], 5, None)
    assert optimizer.param_groups[0]['lr'] == pytest.approx(0.75)
