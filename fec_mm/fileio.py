"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import time
from collections.abc import Iterator
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from .errors import UserError


def beside(target: str | Path) -> Path:
    """Where to write what is renamed to `target` when it is whole: same folder, which is created, and extension."""
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(f'.part.{target.name}')


@contextlib.contextmanager
def whole_file(target: str | Path) -> Iterator[Path]:
    """A file to write within the block; at its end it is renamed to `target`, and after an error removed.

    Args:
        target: The file; its folder is created.

    Yields:
        The file beside `target` to write, with the same extension.

    Raises:
        UserError: It cannot be written: the disk is full, the folder not writable, ...; a `target` that was there is
            untouched.
    """
    try:
        part = beside(target)
        try:
            yield part
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f'{target}: cannot be written ({error}); choose another place or make room') from error


def write_whole(target: str | Path, content: str | bytes) -> None:
    """Write a text, in UTF-8, or bytes with `whole_file`; raises as that."""
    with whole_file(target) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


class AtomicBackend(LocalBackend):
    """mmengine's local backend, writing beside the target and renaming when all is on the disk.

    For `CheckpointHook(backend_args=dict(backend='fec_mm_atomic'))`; `fec_mm.SafeCheckpointHook` uses it by itself.
    """

    name = 'fec_mm_atomic'

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes to a file, whole or not at all.

        Args:
            obj: The content.
            filepath: Where; the folder is created.

        Raises:
            OSError: The disk is full, the folder not writable, ...; a file that was there is untouched.
        """
        target = Path(filepath)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f'.{target.name}.{os.getpid()}@{platform.node()}.part')
        try:
            with open(beside, 'wb') as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, target)
        finally:
            beside.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # the new name, too, is to survive a power cut; not every file system can
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """`put` of text."""
        self.put(obj.encode(encoding), filepath)


def remove_leftovers(folder: str | Path) -> None:
    """Remove what `AtomicBackend` was writing into a folder when its process died, and nothing that a living one
    writes.

    Whether a process of another machine lives cannot be asked; what it was writing goes when it is an hour old.
    """
    for beside in Path(folder).glob('.*.part'):
        writer = re.search(r'\.(\d+)(?:@(.+))?\.part$', beside.name)
        if writer is None:
            continue
        with contextlib.suppress(FileNotFoundError):  # it was renamed, or removed by another process
            here = writer[2] in (None, platform.node())
            if not _lives(int(writer[1])) if here else time.time() - beside.stat().st_mtime > 3600:
                beside.unlink()


def _lives(pid: int) -> bool:
    """Whether another process of this machine has this number; this one has written nothing yet."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


register_backend(AtomicBackend.name, AtomicBackend, force=True)
