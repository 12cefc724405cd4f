"""`kill -9` at random moments, and in the middle of saving: in the end everything is as without."""

from __future__ import annotations

import importlib
import os
import random
import signal
import time
from pathlib import Path

import pytest

from .quickstart import SCOPES, make_quickstart
from .runs import PLACES, Run, assert_same_end, dying_in, kill_and_resume

KILLS = int(os.environ.get('FEC_KILLS', '17'))  # per task
pytestmark = pytest.mark.faults


def uninterrupted(config: Path, work_dir: Path, **kwargs: int) -> float:
    """Train; returns how many seconds that took."""
    run = Run(config, work_dir, **kwargs)
    assert set(run.wait()) == {0}, run.log.read_text()
    return time.time() - run.started


@pytest.mark.parametrize('task', SCOPES)
def test_at_random_moments(tmp_path: Path, task: str) -> None:
    importlib.import_module(SCOPES[task])
    config, rng = make_quickstart(tmp_path, task), random.Random(task)
    length = uninterrupted(config, tmp_path / 'whole')
    kills = trainings = 0
    while kills < KILLS:
        work_dir = tmp_path / f'killed_{trainings}'
        moments = [rng.uniform(0, length) for _ in range(min(4, KILLS - kills))]
        kills += kill_and_resume(config, work_dir, moments)
        trainings += 1
        assert_same_end(work_dir, tmp_path / 'whole')
    print(f'{task}: {kills} kills in {trainings} trainings')


@pytest.mark.parametrize('task', SCOPES)
def test_in_each_place(tmp_path: Path, task: str) -> None:
    """One training for each."""
    importlib.import_module(SCOPES[task])
    config = make_quickstart(tmp_path, task)
    uninterrupted(config, tmp_path / 'whole')
    for place, count in zip(PLACES, (5, 1, 2, 3, 1)):
        work_dir = tmp_path / place.replace(' ', '_')
        run = Run(config, work_dir, prepare=dying_in(place, count))
        assert run.wait() == [-signal.SIGKILL], (place, run.log.read_text())
        assert kill_and_resume(config, work_dir, []) == 0
        assert_same_end(work_dir, tmp_path / 'whole')


@pytest.mark.parametrize('task', SCOPES)
def test_two_processes(tmp_path: Path, task: str) -> None:
    importlib.import_module(SCOPES[task])
    config, rng = make_quickstart(tmp_path, task), random.Random(task)
    length = uninterrupted(config, tmp_path / 'whole', processes=2)
    moments = [length * share for share in (rng.uniform(0.4, 1), rng.uniform(0.4, 1))]
    kills = kill_and_resume(config, tmp_path / 'killed', moments, processes=2)
    assert_same_end(tmp_path / 'killed', tmp_path / 'whole')
    print(f'{task}: {kills} kills of two processes')
