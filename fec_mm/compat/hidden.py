"""What systems and programs leave in folders is no class and no image.

What begins with a dot, such as `.ipynb_checkpoints` of notebooks and `._x.jpg` of a Mac, and some more.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from typing import Any

LITTER = ('__MACOSX', '@eaDir', 'lost+found')  # of archives made on a Mac, of Synology's thumbnails, of Linux' volumes


def is_hidden(path: str) -> bool:
    """Whether a part of a path, which is relative, begins with a dot or is one of `LITTER`."""
    return any(part[:1] == '.' or part in LITTER for part in path.split(os.sep))


def pass_over_hidden() -> None:
    """Have mmengine leave it out where the toolboxes look for classes and images.

    mmengine leaves out hidden files, but neither hidden folders nor the files in them
    (mmengine/fileio/backends/local_backend.py, `list_dir_or_file`): a copy that a notebook keeps would be a sample, and
    its folder a class, before all others.
    """
    from mmengine.fileio import LocalBackend

    listed = LocalBackend.list_dir_or_file
    if hasattr(listed, '__wrapped__'):
        return

    @functools.wraps(listed)
    def visible(*args: Any, **kwargs: Any) -> Iterator[str]:
        return (path for path in listed(*args, **kwargs) if not is_hidden(path))

    LocalBackend.list_dir_or_file = visible
