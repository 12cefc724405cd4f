"""A line that cannot be logged, as the disk is full, does not end a training."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO

from mmengine.hooks import LoggerHook
from mmengine.runner import Runner
from mmengine.visualization import LocalVisBackend

WRITES = ('add_config', 'add_graph', 'add_image', 'add_scalar', 'add_scalars', 'close')  # of a visualizer's backend
HOOK_WRITES = ('after_test_epoch', 'after_run')  # of mmengine's LoggerHook, beside what it gives to the visualizer


def tolerate_failing_logs(runner: Runner) -> None:
    """Have a runner go on when its log cannot be written; a warning says so, once for each kind of failure.

    mmengine's backends raise what the file system says (mmengine/visualization/vis_backend.py, `_dump`), and `logging`
    prints a traceback for each line. What was written of a line is taken back, so that the next one can be read.
    """
    told: set[str] = set()

    def tell(error: OSError) -> None:
        reason = error.strerror or str(error)
        if reason not in told:
            told.add(reason)
            with contextlib.suppress(OSError):
                print(
                    f'warning: the log cannot be written ({reason}: {error.filename or runner.log_dir}): '
                    'the training goes on without these lines; make room',
                    file=sys.stderr,
                    flush=True,
                )

    for backend in runner.visualizer._vis_backends.values():
        if isinstance(backend, LocalVisBackend):
            _replace(backend, '_dump', _whole_lines)
        for name in WRITES:
            _replace(backend, name, functools.partial(_tolerant, tell=tell))
    for hook in runner.hooks:
        if isinstance(hook, LoggerHook):
            for name in HOOK_WRITES:
                _replace(hook, name, functools.partial(_tolerant, tell=tell))
    for handler in runner.logger.handlers:
        if isinstance(handler, logging.StreamHandler):
            _replace(handler, 'handleError', functools.partial(_quiet, tell=tell))


class TolerantStream:
    """Standard output, which may be a file on a full disk, or a pipe that was closed: what cannot be written is
    dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, if possible."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, if possible."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _replace(owner: Any, name: str, wrap: Callable[[Callable[..., None]], Callable[..., None]]) -> None:
    setattr(owner, name, wrap(getattr(owner, name)))


def _tolerant(write: Callable[..., None], tell: Callable[[OSError], None]) -> Callable[..., None]:
    @functools.wraps(write)
    def tolerant(*args: Any, **kwargs: Any) -> None:
        try:
            write(*args, **kwargs)
        except OSError as error:
            tell(error)

    return tolerant


def _whole_lines(dump: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(dump)
    def whole(value_dict: dict, file_path: str, *args: Any, **kwargs: Any) -> None:
        size = os.path.getsize(file_path) if os.path.exists(file_path) else 0
        try:
            dump(value_dict, file_path, *args, **kwargs)
        except OSError:
            with contextlib.suppress(OSError):
                os.truncate(file_path, size)
            raise

    return whole


def _quiet(handle: Callable[..., None], tell: Callable[[OSError], None]) -> Callable[..., None]:
    @functools.wraps(handle)
    def quiet(record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            tell(error)
        else:
            handle(record)

    return quiet
