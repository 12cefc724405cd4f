"""No outage ends a training, and a process that hangs does: the hook's own numbers, on a clock that need not be waited
for."""

from __future__ import annotations

import pytest

from fec_mm.engine.hooks.process_watch_hook import NOBODY, _check_lengths
from fec_mm.errors import UserError

from ..clockwork import FOREVER, NAMES, PHASES, Outage, watch

EVERYWHERE = [[0], [1], [0, 1], [1, 2], [0, 1, 2]]


@pytest.mark.parametrize('runs', [True, False], ids=['', 'without running'])
@pytest.mark.parametrize('phase', NAMES)
def test_no_outage_ends_a_training(monkeypatch: pytest.MonkeyPatch, phase: str, runs: bool) -> None:
    """Of the storage, of a hook, of the machine (SIGSTOP), of Python's lock; and no line is said for a short one."""
    for ranks in EVERYWHERE:
        for seconds in (30, 60, 70, 120, 200, 280):
            warnings, ended = watch(monkeypatch, Outage(ranks, phase, seconds, runs), processes=3, duration=600)
            assert ended is None, (ranks, seconds)
            if seconds <= 30:
                assert warnings == []


@pytest.mark.parametrize('phase', ['loading', 'saving', 'validation'])
def test_these_may_take_longer(monkeypatch: pytest.MonkeyPatch, phase: str) -> None:
    for runs in (True, False):
        assert watch(monkeypatch, Outage([1], phase, 320, runs), duration=1000)[1] is None
        if phase != 'loading':
            assert watch(monkeypatch, Outage([1], phase, 1650, runs))[1] is None


@pytest.mark.parametrize('runs', [True, False], ids=['', 'without running'])
@pytest.mark.parametrize('phase', [name for name in NAMES if name not in ('saving', 'validation')])
def test_who_hangs_ends_the_training_within_six_minutes(
    monkeypatch: pytest.MonkeyPatch, phase: str, runs: bool
) -> None:
    """With its name; it was named before, after 45, 90 and 180 seconds, each time by one of those that run."""
    for rank in (0, 1, 2):
        warnings, ended = watch(monkeypatch, Outage([rank], phase, FOREVER, runs), processes=3)
        assert ended is not None
        when, line = ended
        assert 300 <= when < 360
        assert line.startswith(f'process {rank} ')
        assert PHASES[phase].words in line if runs else 'does not run at all' in line
        assert 'continue with --resume' in line
        assert len(warnings) == 3
        for (said, speaker, warning), due in zip(warnings, (45, 90, 180)):
            assert due <= said <= due + 15  # the others move for a few seconds more, and do not ask at once
            assert warning.startswith(f'warning: process {rank} ')
            assert runs or speaker != rank


def test_who_saves_forever_is_ended_before_torch_would(monkeypatch: pytest.MonkeyPatch) -> None:
    _, ended = watch(monkeypatch, Outage([0], 'saving', FOREVER))
    assert ended is not None
    assert 1710 <= ended[0] < 1735
    assert ended[1].startswith('process 0 is stuck in saving before iteration 4 for ')
    assert ended[1].endswith('raise env_cfg.dist_cfg.timeout')


def test_when_all_stand_still_alike_nobody_waits_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage that is away for an hour: one process says so, now and then, and the training goes on when it comes
    back."""
    warnings, ended = watch(monkeypatch, Outage([0, 1], 'loading', 3600), duration=4000)
    assert ended is None
    assert [line for _, rank, line in warnings if rank == 0] == [
        f'warning: every process is in loading data of iteration 4 for {said} s'
        for said in (45, 90, 180, 360, 720, 1440, 2880)
    ]
    assert len(warnings) == 7


def test_the_store_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its holder is stopped, as the rest of that machine may be; for a minute, and for good."""
    monkeypatch.setenv('LOCAL_RANK', '0')
    warnings, ended = watch(monkeypatch, Outage([0], 'forward', 60, runs=False), store_stops=True, duration=600)
    assert ended is None and all(NOBODY in line for _, _, line in warnings)
    _, ended = watch(monkeypatch, Outage([0], 'forward', FOREVER, runs=False), store_stops=True)
    assert ended is not None and 300 <= ended[0] < 360 and ended[1].startswith(NOBODY)


def test_a_suspended_machine_begins_to_count_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """All processes are stopped, for an hour."""
    warnings, ended = watch(monkeypatch, Outage([0, 1], 'forward', 3600, runs=False), duration=5000)
    assert ended is None and warnings == []


def test_its_numbers_are_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = dict(seconds=600.0, warn_seconds=100.0)
    warnings, ended = watch(monkeypatch, Outage([1], 'forward', FOREVER), **numbers)
    assert ended is not None and 600 <= ended[0] < 625
    assert [said // 100 for said, _, _ in warnings] == [1, 2, 4]


def test_epochs_of_different_lengths() -> None:
    _check_lengths([5, 5])
    with pytest.raises(UserError, match='process 2 has epochs of 4 iterations and others of 5'):
        _check_lengths([5, 5, 4])
