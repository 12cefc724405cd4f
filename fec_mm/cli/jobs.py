"""Several trainings at a time, each a process of its own on one core."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TypeVar

from fec_mm.errors import UserError

Argument = TypeVar('Argument')
Result = TypeVar('Result')


def run_tool(log: Path, tool: Path, *arguments: object) -> int:
    """Run a Python file with one thread, appending what it says to `log`; returns its exit code."""
    with open(log, 'a') as file:
        return subprocess.run(
            [sys.executable, str(tool), *map(str, arguments)],
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, 'OMP_NUM_THREADS': '1', 'MKL_NUM_THREADS': '1'},
        ).returncode


def run_jobs(function: Callable[[Argument], Result], arguments: Iterable[Argument], jobs: int) -> list[Result]:
    """Call the function with each argument, `jobs` at a time; the first error starts nothing more, and is raised.

    Raises:
        UserError: `jobs` is less than 1.
        BaseException: What a call raised, once those under way have ended.
    """
    if jobs < 1:
        raise UserError(f'--jobs {jobs}: give at least 1')
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(function, argument) for argument in arguments]
        try:
            for future in as_completed(futures):
                future.result()
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
