"""What an exception and its traceback hold."""

from __future__ import annotations

import linecache
import re
import traceback
from collections.abc import Iterator
from types import FrameType


def message(error: BaseException) -> str:
    """The text of an exception, without what loader workers and mmengine wrap around it."""
    text = str(error.args[0]) if len(error.args) == 1 else str(error)
    if 'Original Traceback' in text:  # torch/_utils.py, ExceptionWrapper: the worker's traceback is the message
        text = re.split(r'^\w[\w.]*: ', text.split('Original Traceback')[1], flags=re.MULTILINE)[-1]
    return re.sub(r'^class `(\w+)` in \S+: ', r'\1: ', text).strip()  # mmengine < 0.8, build_from_cfg


def frames(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    """Frames and their line numbers, innermost first."""
    return reversed(list(traceback.walk_tb(error.__traceback__)))


def line(frame: FrameType, number: int) -> str:
    return linecache.getline(frame.f_code.co_filename, number, frame.f_globals).strip()
