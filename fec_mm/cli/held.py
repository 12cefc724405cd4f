"""Console output that comes after what is known later."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, TextIO


class HeldStream:
    """A stream that keeps what is written until it is released, and passes everything on from then on.

    Args:
        stream: Where to in the end.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._held: list[str] | None = []

    def write(self, text: str) -> int:
        """Keep, or write."""
        if self._held is None:
            return self._stream.write(text)
        self._held.append(text)
        return len(text)

    def release(self) -> None:
        """Write what was kept."""
        held, self._held = self._held, None
        self._stream.write(''.join(held or ()))
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def held_output() -> Iterator[TextIO]:
    """Hold back standard output within the block.

    Loggers that are made there keep the stream, and write through it afterwards.

    Yields:
        The stream behind it, for what comes first.
    """
    stream = sys.stdout
    held: Any = HeldStream(stream)
    try:
        with contextlib.redirect_stdout(held):
            yield stream
    finally:
        held.release()
