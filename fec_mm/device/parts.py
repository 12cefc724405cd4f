"""Runs the parts of a report in a process of their own, each within its time, so that one that fails or hangs ends
alone."""

from __future__ import annotations

import gc
import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import Any

from .tables import Row

Run = Callable[..., 'Sequence[Row]']
# A part may take so much longer than expected, and so many seconds more, before it is ended.
PATIENCE, START = 4, 30


@dataclass(frozen=True)
class Part:
    """One part of a report.

    Args:
        section: Where its rows belong.
        name: What it measures.
        run: A function of a module, which the process can import; it returns rows.
        arguments: Its keywords.
        seconds: How long it may be expected to take.
    """

    section: str
    name: str
    run: Run
    arguments: Mapping[str, Any]
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What became of a part: rows, or why there are none.

    Args:
        left_out: Why it did not run.
        error: How it failed.
    """

    part: Part
    rows: Sequence[Row] = field(default_factory=list)
    left_out: str | None = None
    error: str | None = None
    seconds: float = 0.0


class LeftOut(Exception):
    """Raised by a part that cannot run here; its text says why."""


def run_parts(parts: Iterable[Part], minutes: float, environment: Mapping[str, str]) -> Iterable[Outcome]:
    """Run parts in turn, the most important first: one that does not fit into the time that is left is left out.

    Args:
        minutes: For all of them.
        environment: Variables that their process begins with.
    """
    end = time.monotonic() + 60 * minutes
    worker: _Worker | None = None
    try:
        for part in parts:
            left = end - time.monotonic()
            if part.seconds > left:
                yield Outcome(part, left_out='no time')
                continue
            worker = worker or _Worker(environment)
            start = time.monotonic()
            patience = START + PATIENCE * part.seconds
            outcome = worker.run(part, min(left, patience))
            if (
                outcome is None or outcome.error is not None
            ):  # after an error on the device a process may be good for nothing
                worker.end()
                worker = None
            took = time.monotonic() - start
            if outcome is not None:
                yield replace(outcome, seconds=took)
            elif left < patience:
                yield Outcome(part, left_out='no time', seconds=took)
            else:
                yield Outcome(part, error=f'not done after {took:.0f} s, and ended', seconds=took)
    finally:
        if worker is not None:
            worker.end()


class _Worker:
    """A process that runs one part after another."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        context = multiprocessing.get_context('spawn')
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, dict(environment)), daemon=False)
        self.process.start()
        theirs.close()

    def run(self, part: Part, seconds: float) -> Outcome | None:
        """What became of it, or None when it is not done in time."""
        self.pipe.send(part)
        try:
            if not self.pipe.poll(seconds):
                return None
            outcome: Outcome = self.pipe.recv()
            return outcome
        except (EOFError, ConnectionError):
            self.process.join()
            return Outcome(part, error=f'its process died with exit code {self.process.exitcode}')

    def end(self) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.join()


def _serve(pipe: Connection, environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    while True:
        try:
            part: Part = pipe.recv()
        except EOFError:
            return
        pipe.send(_attempt(part))
        _tidy()


def _attempt(part: Part) -> Outcome:
    try:
        return Outcome(part, rows=list(part.run(**part.arguments)))
    except LeftOut as reason:
        return Outcome(part, left_out=str(reason))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = ' '.join(str(error).split())
        return Outcome(
            part, error=f'{type(error).__name__}: {text[:500]} ({os.path.basename(where.filename)}:{where.lineno})'
        )


def _tidy() -> None:
    """Give back what the last part kept."""
    import torch

    gc.collect()
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
