"""For a while, a function of another package is one of ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Within it, an attribute of a module or object has another value.

    Args:
        owner: The module or object.
        name: The attribute.
        value: What it is meanwhile.
    """
    own = name in vars(owner)
    former = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if own:
            setattr(owner, name, former)
        else:
            delattr(owner, name)
