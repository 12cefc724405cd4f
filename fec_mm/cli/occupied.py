"""A folder that one training at a time writes into."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

from mmengine.dist import is_main_process

from fec_mm.errors import UserError

LOCK = '.in_use'


@contextlib.contextmanager
def occupied(folder: str | Path) -> Iterator[str | None]:
    """Have a folder for the processes that train together; the first of them asks for it.

    The system takes the lock back when that one ends, however it does.

    Args:
        folder: Which is made.

    Yields:
        A line, where it cannot be locked and is used all the same; otherwise None.

    Raises:
        UserError: Another process has it.
        OSError: It cannot be written.
    """
    try:
        import fcntl
    except ModuleNotFoundError:  # on Windows
        fcntl = None  # type: ignore[assignment]
    if fcntl is None or not is_main_process():
        yield None
        return
    path = Path(folder, LOCK)
    path.parent.mkdir(parents=True, exist_ok=True)
    unlocked = '{} cannot be locked ({}): start no other training in it while this one runs'
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError as error:
        if not path.exists():
            raise
        yield unlocked.format(folder, error.strerror)  # another user's, in a folder that both may write into
        return
    note = None
    try:
        try:
            fcntl.lockf(
                file, fcntl.LOCK_EX | fcntl.LOCK_NB
            )  # for this process alone, not for the workers that it forks
        except (BlockingIOError, PermissionError) as error:
            owner = os.read(file, 200).decode(errors='replace') or 'which has just begun'
            raise UserError(
                f'{folder} is in use by another training ({owner}): wait for it, or choose another --work-dir; '
                f'if there is none, remove {path}'
            ) from error
        except OSError as error:
            note = unlocked.format(folder, error.strerror)
        with contextlib.suppress(OSError):  # a full disk, say, which what comes next will be stopped by
            os.ftruncate(file, 0)
            os.write(
                file, f'process {os.getpid()} of {platform.node()}, since {time.strftime("%Y-%m-%d %H:%M:%S")}'.encode()
            )
        yield note
    finally:
        os.close(file)
