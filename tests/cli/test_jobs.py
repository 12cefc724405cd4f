"""Several at a time: results in order, no more than that many, nothing started after an error."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from fec_mm.cli.jobs import run_jobs, run_tool
from fec_mm.errors import UserError


@pytest.mark.parametrize('jobs', [1, 3])
def test_results_in_order_and_no_more_at_a_time(jobs: int) -> None:
    lock, running, most = threading.Lock(), 0, 0

    def square(x: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05 if x % 2 else 0.01)
        with lock:
            running -= 1
        return x * x

    assert run_jobs(square, range(9), jobs) == [x * x for x in range(9)]
    assert most == jobs


def test_an_error_starts_nothing_more() -> None:
    """Also where one that was started before takes longer."""
    started = []

    def fail_at_1(x: int) -> None:
        started.append(x)
        if x == 1:
            raise UserError('1 failed')
        time.sleep(1 if x == 0 else 0.05)

    with pytest.raises(UserError, match='1 failed'):
        run_jobs(fail_at_1, range(100), 2)
    assert started[:2] == [0, 1] and len(started) < 10


def test_no_jobs() -> None:
    with pytest.raises(UserError, match='--jobs 0: give at least 1'):
        run_jobs(abs, [1], 0)


def test_a_tool_has_one_thread_and_appends_to_the_log(tmp_path: Path) -> None:
    tool, log = tmp_path / 'tool.py', tmp_path / 'log'
    tool.write_text("import os, sys\nprint(os.environ['OMP_NUM_THREADS'], sys.argv[1:])\nsys.exit('no')")
    log.write_text('before\n')
    assert run_tool(log, tool, '--seeds', 3) == 1
    assert sorted(log.read_text().splitlines()) == sorted(['before', "1 ['--seeds', '3']", 'no'])
