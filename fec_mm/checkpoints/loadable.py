"""What is written into a checkpoint is what torch's weights-only loader reads again: the rest is left out, and said."""

from __future__ import annotations

import copy
import io
from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer

PLAIN = (bool, int, float, str, type(None), torch.Tensor, torch.nn.Parameter)
OUT = object()


def loadable(value: Any, left_out: dict[str, str], name: str = '') -> Any:
    """The part of a value that torch's weights-only loader reads again.

    Args:
        value: Of dicts and lists.
        left_out: Gets the names of what is left out, such as `message_hub.runtime_info.when`, and their types.
        name: Of the value itself.

    Returns:
        The value itself when nothing was left out; `OUT` when nothing is left. Lists lose all or nothing.
    """
    kind = type(value)
    if kind in PLAIN:
        return value
    if kind in (dict, OrderedDict, ConfigDict):
        kept = kind() if kind is not ConfigDict else {}
        for key, item in value.items():
            path = f'{name}.{key}' if name else str(key)
            if not _is_read_again(key):
                left_out[path] = f'key of type {type(key).__name__}'
            elif (new := loadable(item, left_out, path)) is not OUT:
                kept[key] = new
        same = type(kept) is kind and len(kept) == len(value) and all(kept[key] is item for key, item in value.items())
        return value if same else kept
    if kind in (list, tuple):
        items = [loadable(item, left_out, f'{name}.{i}') for i, item in enumerate(value)]
        if any(item is OUT for item in items):
            return OUT
        return value if all(new is old for new, old in zip(items, value)) else kind(items)
    if _is_read_again(value):
        return value
    left_out[name] = kind.__name__
    return OUT


def _sample(value: Any) -> Any:
    """A value of the same making: a long training's records take seconds."""
    if type(value) is np.ndarray and value.dtype.kind != 'O':
        return value.reshape(-1)[:1]
    if type(value) is HistoryBuffer:
        few = copy.copy(value)
        few._log_history, few._count_history = _sample(value._log_history), _sample(value._count_history)
        return few
    return value


def _is_read_again(value: Any) -> bool:
    if type(value) in PLAIN:
        return True
    file = io.BytesIO()
    try:
        torch.save(_sample(value), file)
        file.seek(0)
        torch.load(file, map_location='cpu', weights_only=True)
    except Exception:  # of what users keep, nearly any
        return False
    return True
