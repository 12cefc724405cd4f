"""One line for what a user can put right, from the exceptions of torch, mmengine and the toolboxes."""

from __future__ import annotations

from fec_mm.errors import UserError

from .explain_data import explain_data
from .explain_files import explain_files
from .explain_processes import explain_processes
from .explain_settings import explain_settings
from .tracebacks import frames, message


def explain(error: BaseException) -> str | None:
    """What went wrong, where, and what to do, in one line.

    Args:
        error: A caught exception, with its traceback.

    Returns:
        The line, or None for an exception that is not a known mistake of the user: it keeps its traceback.
    """
    if isinstance(error, UserError):
        return _one_line(message(error))
    line = (
        explain_processes(error, message(error))
        or explain_data(error, message(error), [frame for frame, _ in frames(error)])
        or explain_files(error)
        or explain_settings(error)
    )
    return None if line is None else _one_line(line)


def _one_line(text: str, limit: int = 600) -> str:
    text = ' '.join(filter(None, map(str.strip, text.splitlines())))
    return text if len(text) <= limit else f'{text[: limit - 4]} ...'
