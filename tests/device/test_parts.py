"""Parts that succeed, fail, die, hang and cannot run: the others go on."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import pytest

from fec_mm.device import parts
from fec_mm.device.parts import LeftOut, Part, run_parts
from fec_mm.device.tables import Row


def succeed(value: Any = None) -> Sequence[Row]:
    return [dict(pid=os.getpid(), value=value, greeting=os.environ.get('GREETING'))]


def fail() -> Sequence[Row]:
    raise RuntimeError('CUDA error:\nan illegal memory access')


def die() -> Sequence[Row]:
    os._exit(9)


def hang() -> Sequence[Row]:
    time.sleep(600)
    return []


def pass_over() -> Sequence[Row]:
    raise LeftOut('not here')


def part(run: Any, seconds: float = 0.0, **arguments: Any) -> Part:
    return Part('section', run.__name__, run, arguments, seconds)


def test_one_that_fails_or_dies_ends_alone() -> None:
    outcomes = list(
        run_parts(
            [part(succeed, value=1), part(succeed), part(fail), part(die), part(pass_over), part(succeed)],
            minutes=5,
            environment={'GREETING': 'hello'},
        )
    )
    first, second, failed, died, out, last = outcomes
    assert first.rows[0]['value'] == 1 and first.rows[0]['greeting'] == 'hello'
    assert first.rows[0]['pid'] == second.rows[0]['pid'] != last.rows[0]['pid']  # a new process after a failure
    assert str(failed.error).startswith('RuntimeError: CUDA error: an illegal memory access (test_parts.py:')
    assert died.error == 'its process died with exit code 9'
    assert (out.left_out, out.error, out.rows) == ('not here', None, [])
    assert last.rows and all(outcome.seconds > 0 for outcome in outcomes)


@pytest.mark.slow
def test_one_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, 'START', 20)
    hung, after = run_parts([part(hang), part(succeed)], minutes=5, environment={})
    assert hung.error is not None and 'and ended' in hung.error and after.rows


@pytest.mark.slow
def test_what_does_not_fit_is_left_out() -> None:
    dear, cheap, cut = run_parts([part(succeed, seconds=1000), part(succeed), part(hang)], minutes=0.5, environment={})
    assert (dear.left_out, dear.seconds) == ('no time', 0.0)
    assert cheap.rows and cut.left_out == 'no time' and cut.error is None
