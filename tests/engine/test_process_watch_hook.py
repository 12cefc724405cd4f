"""Who keeps whom waiting."""
from __future__ import annotations

import pytest

from fec_mm.engine.process_watch_hook import BACKWARD, ELSEWHERE, FORWARD, LOADING, State, _check_lengths, find_stalled
from fec_mm.errors import UserError


def later(*states: State) -> list[State]:
    return [State(s.beat + 5, s.iteration, s.stage) for s in states]


def test_who_is_behind_is_named() -> None:
    waiting, loading, computing = State(50, 7, BACKWARD), State(50, 7, LOADING), State(50, 7, FORWARD)
    before = [waiting, loading, waiting]
    assert find_stalled(before, later(*before), 0) == 'process 1 is stuck in loading data of iteration 8'
    before = [waiting, computing, State(50, 6, BACKWARD)]
    assert find_stalled(before, later(*before), 0) == \
        'process 1 is stuck in its forward pass of iteration 8, process 2 is stuck in its backward pass of iteration 7'
    assert find_stalled(before, later(*before), 2) is None  # it is behind itself


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
