"""Trainings in processes of their own, to be killed, and the comparison of what they leave."""

from __future__ import annotations

import gc
import importlib
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from fec_mm.cli import run_cli, train
from fec_mm.fileio import AtomicBackend
from tests.tools.commands import free_port, load

CLOCKS = ('time', 'data_time', 'memory', 'eta')  # what two runs may differ in
NAMES = ('cfg', 'experiment_name', 'last_ckpt', 'best_ckpt', 'mmengine_version')  # the last one has the folder's commit


class Run:
    """A training by the tool's own entry point, in forked processes: imports are done once.

    Args:
        config: of the training.
        work_dir: its folder; what the processes print goes to `<work_dir>.log`.
        options: more of train.py's.
        prepare: called in each process, with its rank, before it trains.
        processes: how many, connected by gloo.
    """

    def __init__(
        self,
        config: Path,
        work_dir: Path,
        *options: str,
        prepare: Callable[[int], None] | None = None,
        processes: int = 1,
    ) -> None:
        argv = [str(config), '--work-dir', str(work_dir), *options]
        environment = {}
        if processes > 1:
            argv += ['--launcher', 'pytorch']
            environment = dict(WORLD_SIZE=str(processes), MASTER_ADDR='127.0.0.1', MASTER_PORT=free_port())
        self.log = work_dir.with_name(f'{work_dir.name}.log')
        self.started = time.time()
        self.pids: list[int] = []
        self.codes: dict[int, int] = {}
        for rank in range(processes):
            ranks = dict(RANK=str(rank), LOCAL_RANK=str(rank)) if processes > 1 else {}
            pid = os.fork()
            if pid == 0:
                self._train(argv, {**environment, **ranks}, prepare, rank)
            self.pids.append(pid)

    def _train(
        self, argv: Sequence[str], environment: dict[str, str], prepare: Callable[[int], None] | None, rank: int
    ) -> None:
        """The life of a process. Never returns to the test that it is a copy of."""
        code: Any = 70
        gc.freeze()  # or each collection walks through the test's millions of objects
        try:
            os.setsid()
            log = os.open(self.log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
            for number, name in ((1, 'stdout'), (2, 'stderr')):
                os.dup2(log, number)
                setattr(sys, name, open(number, 'w', buffering=1, closefd=False))  # noqa: SIM115
            os.environ.update(environment)
            torch.set_num_threads(1)
            with patch('mmengine.config.config.FormatCode', lambda text, **_: (text, False)):  # seconds of yapf
                if prepare is not None:
                    prepare(rank)
                run_cli(lambda: train.main(argv))
        except SystemExit as end:
            code = end.code
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def kill(self) -> None:
        """`kill -9` of all processes that run, and of their loaders' workers."""
        for pid in set(self.pids) - self.codes.keys():
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:  # it has only begun, and leads no group yet
                os.kill(pid, signal.SIGKILL)

    def alive(self) -> bool:
        """Whether any of the processes runs; `codes` gets the exit codes of the others, negative for signals."""
        for pid in [pid for pid in self.pids if pid not in self.codes]:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                self.codes[pid] = os.waitstatus_to_exitcode(status)
        return len(self.codes) < len(self.pids)

    def wait(self, seconds: float = 300) -> list[int]:
        """The exit codes; whoever is not done in time is killed."""
        end = time.time() + seconds
        while self.alive():
            if time.time() > end:
                self.kill()
            time.sleep(0.01)
        return [self.codes[pid] for pid in self.pids]

    def errors(self) -> list[str]:
        """What the processes said of their failure."""
        return [line for line in self.log.read_text(errors='replace').splitlines() if line.startswith('error: ')]


PLACES: dict[str, Callable[[], tuple[Any, str]]] = {
    'a step': lambda: (importlib.import_module('mmengine.optim').OptimWrapper, 'update_params'),
    'a validation': lambda: (importlib.import_module('mmengine.runner').ValLoop, 'run_iter'),
    'half a checkpoint': lambda: (os, 'fsync'),
    'a whole checkpoint without its name': lambda: (os, 'replace'),
    'two checkpoints, before the old one goes': lambda: (AtomicBackend, 'remove'),
}


def dying_in(place: str, count: int) -> Callable[[int], None]:
    """For `prepare`: process 0 kills itself, as by `kill -9`, at the count-th call of what `PLACES` names."""

    def prepare(rank: int) -> None:
        owner, name = PLACES[place]()
        function, calls = getattr(owner, name), itertools.count(1)

        def dying(*args: Any, **kwargs: Any) -> Any:
            size = os.fstat(args[0]).st_size if name == 'fsync' else 0
            if (name != 'fsync' or size > 9999) and next(calls) == count:  # neither a folder nor `last_checkpoint`
                if size:
                    os.ftruncate(args[0], size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        if rank == 0:
            setattr(owner, name, dying)

    return prepare


def kill_and_resume(config: Path, work_dir: Path, moments: Sequence[float], **kwargs: Any) -> int:
    """Train, being killed after so many seconds, once for each of them, and at last until the end.

    Args:
        config: of the training.
        work_dir: its folder.
        moments: seconds from the start of a process.
        kwargs: of `Run`.

    Returns:
        How often a process was killed; the training may have ended before it could be.
    """
    for kills, moment in enumerate([*moments, 300.0]):
        run = Run(config, work_dir, '--resume', **kwargs)
        while run.alive() and time.time() - run.started < moment:
            time.sleep(0.005)
        if run.alive():
            run.kill()
        codes = run.wait()
        if codes == [0] * len(codes):
            return kills
        assert -signal.SIGKILL in codes, run.log.read_text()
    raise AssertionError(f'the training hung:\n{run.log.read_text()}')


def records(work_dir: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """What was logged, by kind and step, without clocks; what several runs logged of the same step must be the same."""
    merged: dict[tuple[str, int], dict[str, Any]] = {}
    for file in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for line in file.read_text().splitlines():
            try:
                logged = json.loads(line)
            except json.JSONDecodeError:  # cut by a kill
                continue
            key = ('training' if 'loss' in logged else 'validation', logged['step'])
            values = {name: value for name, value in logged.items() if name not in CLOCKS}
            assert repr(merged.setdefault(key, values)) == repr(values), (file, key)  # repr: nan is nan
    return merged


def assert_same_end(ours: Path, theirs: Path) -> None:
    """The last checkpoints and all that was logged agree to the bit, and no file of theirs is missing or left over.

    Args:
        ours: a work dir.
        theirs: another.
    """
    a, b = records(ours), records(theirs)
    assert a.keys() == b.keys()
    for key in a:
        assert repr(a[key]) == repr(b[key]), key
    names = [{path.name for path in folder.iterdir() if path.is_file()} for folder in (ours, theirs)]
    assert names[0] == names[1]
    last = Path((theirs / 'last_checkpoint').read_text()).name
    assert Path((ours / 'last_checkpoint').read_text()).name == last
    for name in sorted(name for name in names[0] if name.endswith('.pth')):
        assert_same(load(ours / name), load(theirs / name), name)


def assert_same(a: Any, b: Any, where: str) -> None:
    """Compare nested dicts, lists, tensors and arrays; the clocks, folders and configs in a checkpoint are left out."""
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            private = where.endswith("['meta']") and key not in ('epoch', 'iter', 'seed')
            clock = isinstance(key, str) and key.split('/')[-1] in CLOCKS + NAMES
            if not private and not clock:
                assert_same(a[key], b[key], f'{where}[{key!r}]')
    elif isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype and torch.equal(a.nan_to_num(), b.nan_to_num()), where
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b)):
            assert_same(x, y, f'{where}[{i}]')
    elif hasattr(a, '__dict__'):
        assert type(a) is type(b), where
        assert_same(
            {k: v for k, v in vars(a).items() if not callable(v)},
            {k: v for k, v in vars(b).items() if not callable(v)},
            where,
        )
    else:
        assert repr(a) == repr(b), where
