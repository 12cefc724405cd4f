"""Who keeps whom waiting."""
from __future__ import annotations

from types import SimpleNamespace

import pytest

from fec_mm.engine import ProcessWatchHook
from fec_mm.engine.process_watch_hook import BACKWARD, ELSEWHERE, FORWARD, LOADING, State, _check_lengths, find_stalled
from fec_mm.errors import UserError


def later(*states: State) -> list[State]:
    return [s._replace(beat=s.beat + 5) for s in states]


def test_who_is_behind_is_named() -> None:
    waiting, loading, computing = State(50, 7, BACKWARD), State(50, 7, LOADING), State(50, 7, FORWARD)
    before = [waiting, loading, waiting]
    assert find_stalled(before, later(*before), 0) == 'process 1 is stuck in loading data of iteration 8'
    before = [waiting, computing, State(50, 6, BACKWARD)]
    assert find_stalled(before, later(*before), 0) == \
        'process 1 is stuck in its forward pass of iteration 8, process 2 is stuck in its backward pass of iteration 7'
    assert find_stalled(before, later(*before), 2) is None  # it is behind itself


def test_within_a_pass_the_one_with_less_progress_is_behind() -> None:
    """As all wait for each other's gradients there; but not one that moves, or when all have come as far."""
    ahead, behind = State(50, 7, BACKWARD, 148), State(50, 7, BACKWARD, 70)
    assert find_stalled([ahead, behind], later(ahead, behind), 0) == 'process 1 is stuck in its backward pass of iteration 8'
    assert find_stalled([ahead, behind], later(ahead, behind._replace(progress=71)), 0) is None
    assert find_stalled([ahead, ahead], later(ahead, ahead), 0) is None


class Ended(Exception):
    pass


def watched(monkeypatch: pytest.MonkeyPatch, looks: list[float]) -> str | None:
    """What a process says that stands still in its forward pass since time 0, and looks at these times; nobody answers."""
    hook, times = ProcessWatchHook(), iter([0., *looks])
    monkeypatch.setattr(hook, '_ended', SimpleNamespace(wait=lambda _: False))
    monkeypatch.setattr('fec_mm.engine.process_watch_hook.time', SimpleNamespace(monotonic=lambda: next(times)))
    hook._iteration, hook._stage, hook._since, said = 3, FORWARD, 0., []

    def end(stalled: str, speak: bool = True) -> None:
        said.append(stalled)
        raise Ended

    monkeypatch.setattr(hook, '_end', end)
    with pytest.raises((Ended, StopIteration, RuntimeError)):
        hook._watch()
    return said[0] if said else None


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert watched(monkeypatch, [float(i) for i in range(1, 60)]) == 'process 0, or the launcher beside it, does not run at all'


def test_one_that_was_suspended_begins_to_count_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the system, for 300 seconds, together with the others."""
    assert watched(monkeypatch, [1., 2., 302., *(303. + i for i in range(40))]) is None


def test_who_does_not_run_is_named_wherever_it_was() -> None:
    for stage in (LOADING, BACKWARD, ELSEWHERE):
        before = [State(50, 7, BACKWARD), State(31, 7, stage)]
        assert find_stalled(before, [*later(before[0]), before[1]], 0) == 'process 1 does not run at all'


def test_validation_and_saving_are_waited_for() -> None:
    before = [State(50, 6, ELSEWHERE), State(50, 7, BACKWARD)]
    assert find_stalled(before, later(*before), 1) is None
    before = [State(50, 7, BACKWARD)] * 2
    assert find_stalled(before, later(*before), 1) is None


def test_epochs_of_different_lengths() -> None:
    _check_lengths([5, 5])
    with pytest.raises(UserError, match='process 2 has epochs of 4 iterations and others of 5'):
        _check_lengths([5, 5, 4])
