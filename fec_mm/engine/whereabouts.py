"""Where a process of a training is, and which of several processes the others wait for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import FrameType
from typing import Any, NamedTuple

# Parts of an iteration, in their order. What comes between two iterations belongs to the second of them.
BETWEEN, VALIDATING, BEGINNING, LOADING, BEFORE, FORWARD, BACKWARD, STEP, AFTER = range(9)
# What a process does, for how long that may take: computing or running a hook, loading, saving or validating, nothing
# more.
BUSY, FETCHING, ELSEWHERE, DONE = range(4)
POINTS = {
    'before_val': VALIDATING,
    'before_train_epoch': BEGINNING,
    'before_train_iter': BEFORE,
    'after_train_iter': AFTER,
}
NAMED = 4  # processes at most, in a line


class Doing(NamedTuple):
    """What a process does, as its stack shows it.

    Attributes:
        part: of the iteration.
        kind: BUSY, FETCHING, ELSEWHERE or DONE.
        words: what it is called in a line.
        batch: of a loader, the number of batches that it has given; otherwise 0.
    """

    part: int
    kind: int
    words: str
    batch: int = 0


class State(NamedTuple):
    """Where a process is.

    Attributes:
        beat: counts on as long as the process runs at all.
        iteration: that it does, from 0.
        part: of the iteration.
        progress: counts on within a part: parts of the model that were entered, gradients, batches.
        kind: BUSY, FETCHING, ELSEWHERE or DONE.
        words: what it does.
        still: seconds since it last moved.
    """

    beat: int
    iteration: int
    part: int
    progress: int
    kind: int
    words: str
    still: float = 0.0

    @property
    def place(self) -> tuple[int, int, int]:
        """Of two processes, the one with the smaller place is behind."""
        return self.iteration, self.part, self.progress

    def encode(self) -> str:
        """For the store."""
        return json.dumps(self)

    @classmethod
    def decode(cls, text: bytes) -> State:
        """From the store."""
        return cls(*json.loads(text))


FINISHED = State(0, 2**62, 0, 0, DONE, 'nothing')


def look(frame: FrameType | None, validating: bool = False) -> Doing:
    """What a thread does that runs one of mmengine's training loops.

    Args:
        frame: Its innermost one.
        validating: Whether its validation has begun.
    """
    frames: list[FrameType] = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    names = [f.f_code.co_name for f in reversed(frames)]
    if 'train' not in names and 'run' not in names:
        return Doing(BETWEEN, DONE, 'nothing')  # an error was caught, outside of mmengine
    part, hook = _hook(frames)
    if 'save_checkpoint' in names:
        return Doing(VALIDATING if validating else part, ELSEWHERE, 'saving')
    if validating:
        return Doing(VALIDATING, ELSEWHERE, 'validation')
    if hook:
        return Doing(part, BUSY, hook)
    if 'train_step' in names:  # of the model, or of what wraps it
        inner = names[names.index('train_step') + 1 :]
        if 'backward' in inner:
            return Doing(BACKWARD, BUSY, 'its backward pass')
        if 'update_params' in inner:  # of mmengine's OptimWrapper, when it is not within its `backward`
            return Doing(STEP, BUSY, 'its optimizer step')
        return Doing(FORWARD, BUSY, 'its forward pass')
    return Doing(LOADING, FETCHING, 'loading data', _batches(frames))


def _hook(frames: Sequence[FrameType]) -> tuple[int, str]:
    """The part of an iteration, and the name of the hook that mmengine's `Runner.call_hook` calls; none: an empty
    one."""
    for frame in reversed(frames):
        if frame.f_code.co_name == 'call_hook':
            point, hook = frame.f_locals.get('fn_name', ''), frame.f_locals.get('hook')
            return POINTS.get(point, BETWEEN), f'the hook {type(hook).__name__} ({point})'
    return BETWEEN, ''


def _batches(frames: Sequence[FrameType]) -> int:
    """How many batches torch's iterator of a loader has given: it moves where mmengine reads batches only to drop
    them."""
    for frame in reversed(frames):
        iterator: Any = frame.f_locals.get('self') if frame.f_code.co_name == '__next__' else None
        if hasattr(iterator, '_num_yielded'):
            return int(iterator._num_yielded)
    return 0


def find_stalled(states: Sequence[State], running: Sequence[bool]) -> dict[int, str]:
    """Which processes the others wait for.

    Args:
        states: Of all processes.
        running: Whether they run at all. One that saves or validates may look as if it did not: it holds Python's lock.

    Returns:
        By rank, what they do; nothing when all have come equally far.
    """
    stopped = {
        r: 'does not run at all' for r, state in enumerate(states) if not running[r] and state.kind in (BUSY, FETCHING)
    }
    front = max(state.place for state in states)
    return stopped or {r: f'is stuck in {_describe(state)}' for r, state in enumerate(states) if state.place < front}


def name_stalled(stalled: dict[int, str]) -> str:
    """The result of `find_stalled`, for a line."""
    named = [f'process {r} {what}' for r, what in list(stalled.items())[:NAMED]]
    more = f' and {len(stalled) - NAMED} more' if len(stalled) > NAMED else ''
    return ', '.join(named) + more


def describe_all(states: Sequence[State]) -> str:
    """What they all do, when nobody is behind."""
    return f'every process is in {_describe(states[0])}'


def _describe(state: State) -> str:
    return f'{state.words} {"before" if state.part < LOADING else "of"} iteration {state.iteration + 1}'
