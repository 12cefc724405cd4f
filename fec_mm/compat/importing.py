"""Something is done just before a module is imported, and not earlier."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from typing import Any


class _Awaiting:
    """A first finder of `sys.meta_path`: prepares for a module when that is imported, and finds nothing itself."""

    def __init__(self, name: str, prepare: Callable[[], None]) -> None:
        self.name, self.prepare = name, prepare

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        if fullname == self.name:
            with contextlib.suppress(ValueError):
                sys.meta_path.remove(self)
            self.prepare()
        return None


def before_import(name: str, prepare: Callable[[], None]) -> None:
    """Call `prepare` when a module is imported; as often as one likes, but it is called once.

    Args:
        name: The module; nothing is done if it has been imported.
        prepare: Takes nothing.
    """
    if name in sys.modules or any(isinstance(f, _Awaiting) and f.name == name for f in sys.meta_path):
        return
    sys.meta_path.insert(0, _Awaiting(name, prepare))
