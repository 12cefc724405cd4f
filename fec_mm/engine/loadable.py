"""What is written into a checkpoint is what torch's weights-only loader reads again: the rest is left out, and said."""

from __future__ import annotations

import copy
import io
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner
from mmengine.runner import runner as runner_module

from fec_mm.checkpoint_file import check_checkpoint
from fec_mm.errors import UserError

PLAIN = (bool, int, float, str, type(None), torch.Tensor, torch.nn.Parameter)
OUT = object()


class LoadableWriter:
    """Keeps out of a training's checkpoints what could not be read again: mmengine would save it, and refuse the file
    later."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._checked = False

    @contextmanager
    def writing(self, runner: Runner) -> Iterator[None]:
        """Within it, `runner.save_checkpoint` writes what is left, after all hooks have added theirs.

        Raises:
            UserError: a part of the model's or the optimizer's state cannot be read again; nothing is written.
        """
        write = runner_module.save_checkpoint

        def write_loadable(checkpoint: dict[str, Any], filename: str, **kwargs: Any) -> None:
            write(self._without_the_rest(checkpoint, runner), filename, **kwargs)
            self._check_once(str(filename), runner)

        with patch.object(runner_module, 'save_checkpoint', write_loadable):
            yield

    def _without_the_rest(self, checkpoint: dict[str, Any], runner: Runner) -> dict[str, Any]:
        left_out: dict[str, str] = {}
        try:
            kept: dict[str, Any] = loadable(checkpoint, left_out)
        except RecursionError:  # something that contains itself, which can be saved
            return checkpoint
        for name, kind in left_out.items():
            part = name.split('.')[0]
            if part == 'optimizer' or part.endswith('state_dict'):  # nothing of them can be left out
                raise UserError(
                    f'a checkpoint with {name}, of type {kind}, could not be loaded again, and none is written: '
                    'keep tensors, numbers, strings, and dicts and lists of them there'
                )
        new = {name: kind for name, kind in left_out.items() if name not in self._told}
        if new:
            self._told |= new.keys()
            runner.logger.warning(
                'checkpoints are written without what could not be loaded again: '
                + ', '.join(f'{name} ({kind})' for name, kind in new.items())
                + ': tensors, numbers, strings, and dicts and lists of them can'
            )
        return kept

    def _check_once(self, filename: str, runner: Runner) -> None:
        """Read the first file as a resume would, to its last byte."""
        if self._checked:
            return
        self._checked = True
        try:
            check_checkpoint(filename)
        except UserError as error:
            runner.logger.warning(f'this training could not be continued from its first checkpoint: {error}')


def loadable(value: Any, left_out: dict[str, str], name: str = '') -> Any:
    """The part of a value that torch's weights-only loader reads again.

    Args:
        value: of dicts and lists.
        left_out: gets the names of what is left out, such as `message_hub.runtime_info.when`, and their types.
        name: of the value itself.

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
