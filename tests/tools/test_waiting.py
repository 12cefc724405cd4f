"""Who is waited for is said when machines or processes that are to train together do not come."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .commands import HERE, free_port

pytestmark = pytest.mark.slow


@contextmanager
def started(log: Path, *command: object, **environment: str) -> Iterator[None]:
    """A command, until the end of the context."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
    with log.open('w') as file:
        process = subprocess.Popen(
            [str(c) for c in command],
            stdout=file,
            stderr=file,
            cwd=HERE.parents[1],
            start_new_session=True,
            env={**os.environ, 'PATH': path, **environment},
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def warning(log: Path, seconds: float = 100.0) -> str:
    """The first one."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        lines = [line for line in log.read_text(errors='replace').splitlines() if line.startswith('warning: ')]
        if lines:
            return lines[0]
        time.sleep(0.2)
    raise AssertionError(log.read_text())


def test_machines_that_do_not_come(tmp_path: Path) -> None:
    """All at the same time: the second one is not started; it has a wrong address; the first one has."""
    port, other = free_port(), free_port()
    train = ('tools/dist_train.sh', tmp_path / 'config.py', 1)
    with (
        started(tmp_path / 'a', *train, NNODES='2', NODE_RANK='0', PORT=port),
        started(tmp_path / 'b', *train, NNODES='2', NODE_RANK='1', PORT=other),
        started(
            tmp_path / 'c', *train, NNODES='2', NODE_RANK='0', PORT=free_port(), MASTER_ADDR='no-such-host.invalid'
        ),
    ):
        assert warning(tmp_path / 'a').startswith('warning: waiting for node 1 of 2 (counted from 0), for 3')
        assert warning(tmp_path / 'b').startswith(
            f'warning: node 1 waits for node 0, whose address, MASTER_ADDR=127.0.0.1, does not answer at port {other} ('
        )
        assert warning(tmp_path / 'c').startswith(
            'warning: this is node 0, and its own address, MASTER_ADDR=no-such-host.invalid, does not answer at port '
        )


def test_a_process_that_does_not_come(tmp_path: Path) -> None:
    """Which Slurm, say, did not start."""
    port = free_port()
    config = tmp_path / 'config.py'
    config.write_text(
        "default_scope = 'mmpretrain'\nmodel = train_dataloader = train_cfg = optim_wrapper = dict(type='x')\n"
    )
    train = (sys.executable, 'tools/train.py', config, '--launcher', 'pytorch', '--work-dir', tmp_path / 'work')
    environment = dict(WORLD_SIZE='3', LOCAL_RANK='0', MASTER_ADDR='127.0.0.1', MASTER_PORT=port)
    with (
        started(tmp_path / 'a', *train, RANK='0', **environment),
        started(tmp_path / 'b', *train, RANK='2', **environment),
    ):
        assert warning(tmp_path / 'a').startswith('warning: waiting for process 1 of 3 (counted from 0), for 3')
        assert not [line for line in (tmp_path / 'b').read_text().splitlines() if line.startswith('warning: waiting')]
