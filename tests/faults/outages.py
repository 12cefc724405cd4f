"""What may happen to a process of a training: it waits, it is stopped, or it holds Python's lock; for a while or for
good."""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook

from fec_mm.registry import HOOKS

FOREVER = 3600.0
POINTS = (
    'before_run',
    'before_train',
    'before_train_epoch',
    'before_train_iter',
    'after_train_iter',
    'after_train_epoch',
    'before_save_checkpoint',
    'before_val',
    'before_val_epoch',
    'before_val_iter',
    'after_val_iter',
    'after_val_epoch',
    'after_val',
    'after_train',
    'after_run',
)


def wait(seconds: float) -> None:
    """As for a disk or another machine."""
    time.sleep(seconds)


def hold_the_lock(seconds: float) -> None:
    """No other thread of Python runs meanwhile."""
    ctypes.PyDLL(None).sleep(int(seconds))


def stop(seconds: float) -> None:
    """SIGSTOP, and then SIGCONT."""
    subprocess.Popen(['sh', '-c', f'sleep {seconds}; kill -CONT {os.getpid()}'], start_new_session=True)
    os.kill(os.getpid(), signal.SIGSTOP)


def during(
    target: str,
    how: Callable[[float], None],
    seconds: float,
    ranks: Collection[int] = (0, 1),
    count: int = 1,
    file: Path | None = None,
) -> Callable[[int], None]:
    """For `Run`'s `prepare`: an outage before the count-th call of a function.

    Args:
        target: its name with those of its module and class.
        how: one of the functions above.
        seconds: how long.
        ranks: the processes to which it happens.
        count: which call, in each process; in each worker of a loader, if that is what calls it.
        file: gets the time of it.
    """

    def prepare(rank: int) -> None:
        module, _, cls = target.rpartition('.')[0].rpartition('.')
        owner: Any = getattr(importlib.import_module(module), cls) if module else importlib.import_module(cls)
        name = target.rpartition('.')[2]
        function, calls = getattr(owner, name), iter(range(1, 10**6))

        def slow(*args: Any, **kwargs: Any) -> Any:
            if next(calls) == count:
                if file is not None:
                    file.write_text(str(time.time()))
                how(seconds)
            return function(*args, **kwargs)

        if rank in ranks:
            setattr(owner, name, slow)

    return prepare


@HOOKS.register_module()
class SlowHook(Hook):
    """Wait once in each of some hook points, in one of the processes.

    Args:
        points: their names.
        seconds: how long.
        rank: of the process.
    """

    def __init__(self, points: Collection[str], seconds: float, rank: int) -> None:
        for point in points:
            setattr(self, point, self._waiting(seconds, rank))

    def _waiting(self, seconds: float, rank: int) -> Callable[..., None]:
        left = [seconds]

        def method(runner: Any, *args: Any, **kwargs: Any) -> None:
            if runner.rank == rank and left:
                time.sleep(left.pop())

        return method
