"""A training of several processes with a clock of its own: what ProcessWatchHook makes of hours, in a moment."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from fec_mm.engine import ProcessWatchHook
from fec_mm.engine.hooks.process_watch_hook import ELSEWHERE
from fec_mm.engine.whereabouts import (
    AFTER,
    BACKWARD,
    BEFORE,
    BETWEEN,
    BUSY,
    FETCHING,
    FORWARD,
    LOADING,
    VALIDATING,
    Doing,
    State,
)

# The parts of an iteration, a second each. In the backward pass, processes wait for each other.
PHASES = {
    'hook between': Doing(BETWEEN, BUSY, 'the hook SlowHook (after_train_epoch)'),
    'saving': Doing(BETWEEN, ELSEWHERE, 'saving'),
    'validation': Doing(VALIDATING, ELSEWHERE, 'validation'),
    'loading': Doing(LOADING, FETCHING, 'loading data'),
    'hook before': Doing(BEFORE, BUSY, 'the hook SlowHook (before_train_iter)'),
    'forward': Doing(FORWARD, BUSY, 'its forward pass'),
    'backward': Doing(BACKWARD, BUSY, 'its backward pass'),
    'hook after': Doing(AFTER, BUSY, 'the hook SlowHook (after_train_iter)'),
}
NAMES = list(PHASES)
FOREVER = 10**6


class Outage(NamedTuple):
    """Of some processes: in which phase of iteration 3 they stay for how many seconds, and whether they run
    meanwhile."""

    ranks: Sequence[int]
    phase: str
    seconds: int
    runs: bool = True


class Ended(Exception):
    """The training was ended; when, by whom, and with what line."""


class Process:
    """One of them; it does one phase after the other.

    Args:
        rank: its number.
        hook: its own.
        outage: what happens to all.
    """

    def __init__(self, rank: int, hook: Any, outage: Outage) -> None:
        self.rank, self.hook, self.outage = rank, hook, outage
        self.iteration, self.phase, self.left, self.beat = 0, 0, 0, 0
        self.begin(0)

    @property
    def affected(self) -> bool:
        """Whether the outage holds it; from the second second, so that it has told where it is."""
        here = self.iteration == 3 and NAMES[self.phase] == self.outage.phase
        return here and self.rank in self.outage.ranks and 1 < self.left < self.outage.seconds

    def begin(self, phase: int) -> None:
        self.iteration, self.phase = (self.iteration + 1, 0) if phase == len(NAMES) else (self.iteration, phase)
        self.left = 1
        if self.iteration == 3 and NAMES[self.phase] == self.outage.phase and self.rank in self.outage.ranks:
            self.left = self.outage.seconds

    @property
    def state(self) -> State:
        """Where it is; in its backward pass, when its own part of that is done it has all gradients."""
        doing = PHASES[NAMES[self.phase]]
        return State(0, self.iteration, doing.part, int(self.left <= 0), doing.kind, doing.words)

    def advance(self, others: Sequence[Process]) -> None:
        self.left -= 1
        behind = any((other.iteration, other.phase) < (self.iteration, self.phase) for other in others)
        if self.left <= 0 and not (NAMES[self.phase] == 'backward' and behind):
            self.begin(self.phase + 1)


def watch(
    monkeypatch: pytest.MonkeyPatch,
    outage: Outage,
    processes: int = 2,
    duration: int = 2000,
    store_stops: bool = False,
    **arguments: float,
) -> tuple[list[tuple[int, int, str]], tuple[int, str] | None]:
    """Run the clockwork.

    Args:
        monkeypatch: pytest's.
        outage: what happens.
        processes: how many there are.
        duration: seconds to run for, or until the training is ended.
        store_stops: nobody hears of anybody while the outage lasts.
        arguments: of ProcessWatchHook.

    Returns:
        The warnings, as seconds since the outage began, rank and line; and, if the training was ended, when and the
        line.
    """
    clock = SimpleNamespace(now=0, began=None)
    warnings: list[tuple[int, int, str]] = []
    world = [
        make_process(rank, processes, outage, clock, warnings, monkeypatch, arguments) for rank in range(processes)
    ]
    board = [State(0, 0, 0, 0, BUSY, '')] * processes
    for clock.now in range(duration):
        if clock.began is None and any(process.affected for process in world):
            clock.began = clock.now
        for process in world:
            process.advance(world)
        silent = store_stops and any(process.affected for process in world)
        running = [process for process in world if outage.runs or not process.affected]
        for process in running:
            if not silent:
                process.beat += 1
                process.hook._look(clock.now)
                board[process.rank] = process.hook._state._replace(beat=process.beat)
                if process.hook._asking is not None:
                    process.hook._heard = clock.now, list(board)
        for process in running:
            try:
                process.hook._judge(float(clock.now))
            except Ended as end:
                return warnings, (clock.now - (clock.began or 0), str(end))
    return warnings, None


def make_process(
    rank: int,
    processes: int,
    outage: Outage,
    clock: Any,
    warnings: list[tuple[int, int, str]],
    monkeypatch: pytest.MonkeyPatch,
    arguments: dict[str, float],
) -> Process:
    """A process, whose hook looks at it and not at its stack."""
    hook: Any = ProcessWatchHook(**arguments)
    hook._rank, hook._world = rank, processes
    hook.limits[ELSEWHERE] = 1710.0
    process = Process(rank, hook, outage)

    def say(line: str) -> None:
        warnings.append((clock.now - (clock.began or 0), rank, line))

    def end(line: str, speaks: bool) -> None:
        if speaks:
            raise Ended(line)

    hook._look, hook._say, hook._end = lambda now: hook._note(process.state, now), say, end
    return process
