"""A file backend that never leaves a half-written file."""
from __future__ import annotations

import os
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend


class AtomicBackend(LocalBackend):
    """mmengine's local backend, writing beside the target and renaming when all is on the disk.

    For `CheckpointHook(backend_args=dict(backend='fec_mm_atomic'))`.
    """
    name = 'fec_mm_atomic'

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes to a file, whole or not at all.

        Args:
            obj: the content.
            filepath: where; the folder is created.

        Raises:
            OSError: the disk is full, the folder not writable, ...; a file that was there is untouched.
        """
        target = Path(filepath)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f'.{target.name}.{os.getpid()}.part')
        try:
            with open(beside, 'wb') as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, target)
        finally:
            beside.unlink(missing_ok=True)


register_backend(AtomicBackend.name, AtomicBackend, force=True)
