"""What a process does, from its stack; and who keeps whom waiting."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from fec_mm.engine.whereabouts import (
    AFTER,
    BACKWARD,
    BEFORE,
    BEGINNING,
    BETWEEN,
    BUSY,
    DONE,
    ELSEWHERE,
    FETCHING,
    FINISHED,
    FORWARD,
    LOADING,
    STEP,
    VALIDATING,
    Doing,
    State,
    describe_all,
    find_stalled,
    look,
    name_stalled,
)

from .small import make_runner

seen: dict[str, Doing] = {}


def note(place: str) -> None:
    """What this thread does, at the first time that it comes here."""
    seen.setdefault(place, look(sys._getframe(), place in ('validation', 'evaluation')))


def noting(function: Callable[..., Any], place: str) -> Callable[..., Any]:
    def noted(*args: Any, **kwargs: Any) -> Any:
        note(place)
        return function(*args, **kwargs)

    return noted


@HOOKS.register_module()
class NotingHook(Hook):
    def before_train_epoch(self, runner: Any) -> None:
        note('before_train_epoch')

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        note('before_train_iter')

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        note('after_train_iter')

    def before_save_checkpoint(self, runner: Any, checkpoint: Any) -> None:
        note('saving')

    def after_train(self, runner: Any) -> None:
        note('after_train')


def test_every_place_of_a_training_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen.clear()
    runner = make_runner(tmp_path, dict(type='NotingHook'), epochs=1)
    monkeypatch.setattr(type(runner.model), 'forward', noting(type(runner.model).forward, 'forward'))
    monkeypatch.setattr(
        torch.utils.data.TensorDataset, '__getitem__', noting(torch.utils.data.TensorDataset.__getitem__, 'load')
    )
    monkeypatch.setattr(torch.Tensor, 'backward', noting(torch.Tensor.backward, 'backward'))
    monkeypatch.setattr(torch.optim.SGD, 'step', noting(torch.optim.SGD.step, 'step'))
    runner.train()
    assert seen == {
        'before_train_epoch': (BEGINNING, BUSY, 'the hook NotingHook (before_train_epoch)', 0),
        'load': (LOADING, FETCHING, 'loading data', 0),
        'before_train_iter': (BEFORE, BUSY, 'the hook NotingHook (before_train_iter)', 0),
        'forward': (FORWARD, BUSY, 'its forward pass', 0),
        'backward': (BACKWARD, BUSY, 'its backward pass', 0),
        'step': (STEP, BUSY, 'its optimizer step', 0),
        'after_train_iter': (AFTER, BUSY, 'the hook NotingHook (after_train_iter)', 0),
        'saving': (BETWEEN, ELSEWHERE, 'saving', 0),
        'after_train': (BETWEEN, BUSY, 'the hook NotingHook (after_train)', 0),
    }


@pytest.mark.parametrize('workers', [0, 1])
def test_batches_that_are_loaded_are_counted(workers: int) -> None:
    """As mmengine may read many, only to drop them, before the first iteration."""
    counts = []

    class Sampler(list):
        def __iter__(self) -> Any:
            for i in range(6):
                counts.append(look(sys._getframe()).batch)
                yield [i]

    def run() -> None:
        for _ in torch.utils.data.DataLoader(torch.ones(6, 1), batch_sampler=Sampler([0] * 6), num_workers=workers):
            pass

    run()
    assert counts == ([0, 1, 2, 3, 4, 5] if workers == 0 else [0, 0, 0, 1, 2, 3])  # a worker is two ahead


def test_validation_is_elsewhere() -> None:
    def run() -> Doing:
        return look(sys._getframe(), validating=True)

    assert run() == (VALIDATING, ELSEWHERE, 'validation', 0)


def test_a_training_that_was_left_is_done() -> None:
    """By an error that the user's own script catches."""
    assert look(sys._getframe()).kind == DONE


def state(part: int, iteration: int = 7, progress: int = 0, kind: int = BUSY, words: str = 'its forward pass') -> State:
    return State(50, iteration, part, progress, kind, words)


def test_states_travel() -> None:
    told = state(FORWARD)._replace(still=1.5)
    assert State.decode(told.encode().encode()) == told
    assert told.place < FINISHED.place


def test_who_is_behind_is_named() -> None:
    waiting, loading = state(BACKWARD), state(LOADING, kind=FETCHING, words='loading data')
    assert (
        name_stalled(find_stalled([waiting, loading, waiting], [True] * 3))
        == 'process 1 is stuck in loading data of iteration 8'
    )
    states = [waiting, state(FORWARD), state(BACKWARD, iteration=6, words='its backward pass')]
    assert (
        name_stalled(find_stalled(states, [True] * 3))
        == 'process 1 is stuck in its forward pass of iteration 8, process 2 is stuck in its backward pass of '
        'iteration 7'
    )


def test_within_a_pass_the_one_with_less_progress_is_behind() -> None:
    """As all wait for each other's gradients there."""
    assert list(find_stalled([state(BACKWARD, progress=148), state(BACKWARD, progress=70)], [True] * 2)) == [1]


def test_nobody_is_behind_when_all_have_come_equally_far() -> None:
    """As in an outage of the storage that hits them all."""
    states = [state(LOADING, kind=FETCHING, words='loading data')] * 2
    assert find_stalled(states, [True] * 2) == {}
    assert describe_all(states) == 'every process is in loading data of iteration 8'


def test_between_two_epochs_saving_comes_before_validation_and_that_before_the_next_one() -> None:
    saving = state(BETWEEN, kind=ELSEWHERE, words='saving')
    validating = state(VALIDATING, kind=ELSEWHERE, words='validation')
    assert list(find_stalled([validating, saving], [True] * 2)) == [1]
    assert list(find_stalled([validating, state(BEGINNING)], [True] * 2)) == [0]
    assert list(find_stalled([state(BEGINNING), state(LOADING)], [True] * 2)) == [0]


def test_the_slow_hook_of_a_user_is_named_as_that() -> None:
    slow = state(AFTER, iteration=6, words='the hook SlowHook (after_train_iter)')
    assert (
        name_stalled(find_stalled([slow, state(BACKWARD)], [True] * 2))
        == 'process 0 is stuck in the hook SlowHook (after_train_iter) of iteration 7'
    )


def test_who_does_not_run_is_named() -> None:
    for part, kind in ((LOADING, FETCHING), (BACKWARD, BUSY)):
        assert (
            name_stalled(find_stalled([state(BACKWARD), state(part, kind=kind)], [True, False]))
            == 'process 1 does not run at all'
        )


def test_who_saves_or_validates_is_not_judged_by_its_silence() -> None:
    """It may hold Python's lock."""
    saving = state(BETWEEN, kind=ELSEWHERE, words='saving')
    assert (
        name_stalled(find_stalled([saving, state(BACKWARD)], [False, True]))
        == 'process 0 is stuck in saving before iteration 8'
    )


def test_the_line_does_not_grow_with_the_processes() -> None:
    stalled = find_stalled([state(BACKWARD), *[state(FORWARD)] * 20], [True] * 21)
    assert len(stalled) == 20
    assert name_stalled(stalled).endswith(', process 4 is stuck in its forward pass of iteration 8 and 16 more')
