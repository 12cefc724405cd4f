"""The one exception that tools print as a line instead of a traceback, and how names stand in that line."""

from __future__ import annotations

import os


class UserError(Exception):
    """Something that the user can put right; its text says what is wrong, where, and what to do, in one line."""


def shown(name: str | os.PathLike[str]) -> str:
    """A name of a file as text in one line, which every font and encoding takes.

    What is not printable is escaped as in Python: a line break is shown as `\\n`, a byte that is not UTF-8 as `\\xff`.
    """
    text = os.fspath(name)
    return ''.join(
        c
        if c.isprintable()
        else f'\\x{ord(c) - 0xDC00:02x}'
        if '\udc80' <= c <= '\udcff'
        else c.encode('unicode_escape').decode()
        for c in text
    )
