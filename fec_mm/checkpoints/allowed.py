"""Checkpoints of mmengine, read weights-only."""

from __future__ import annotations

import functools
from typing import Any

_done: list[bool] = []


def _member(owner: Any, name: str) -> Any:
    """What `getattr` may do in a checkpoint: name a method of a statistics buffer or of a one-cycle schedule.

    Raises:
        pickle.UnpicklingError: On anything else.
    """
    from pickle import UnpicklingError

    from mmengine.logging import HistoryBuffer
    from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

    allowed = owner is HistoryBuffer or (owner is OneCycleParamScheduler and name.startswith('_annealing_'))
    if not allowed or name.startswith('__'):
        raise UnpicklingError(f'Unsupported attribute {name!r} of {owner!r}')
    return getattr(owner, name)


def _load_weights(file: Any, map_location: Any = None, weights_only: Any = None) -> Any:
    """In place of onedl-mmengine's."""
    import torch

    return torch.load(file, map_location=map_location, weights_only=True)


def allow_checkpoint_globals() -> None:
    """Let torch's weights-only loading (the default since torch 2.6) read mmengine's checkpoints.

    mmengine 0.10.7 calls `torch.load(file)` (mmengine/runner/checkpoint.py, `load_from_local`) on files that hold

    - the message hub: `HistoryBuffer`s of numpy arrays, numpy scalars as best score.
      numpy 1 and 2 write different module names, and either must be able to read the other's files;
    - functions, which pickle protocol 2 writes as `getattr(class, name)`: the statistics of each buffer
      (mmengine/logging/history_buffer.py, `__getstate__`), the annealing function of a one-cycle schedule
      (mmengine/optim/scheduler/param_scheduler.py, `anneal_func`). That is allowed for just those classes, and the
      loader calls nothing that it gets that way.

    What is fetched from an address goes through torch.hub, which loads anything unless told otherwise. The fork
    `onedl-mmengine` (0.10.12) loads anything where weights-only loading fails (mmengine/runner/checkpoint.py,
    `_safe_torch_load`): there the failure is the end.

    Below torch 2.6, whose safe globals cannot be named, nothing is needed and nothing done.
    """
    import torch

    if _done or torch.__version__ < '2.6':
        return
    import numpy as np
    from mmengine.logging import HistoryBuffer
    from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
    from mmengine.runner import checkpoint

    scalar, reconstruct = np.float64(0).__reduce__()[0], np.zeros(0).__reduce__()[0]
    dtypes = {type(np.dtype(kind)) for kind in '?bhilqBHILQefdgUS'}
    allowed: list[Any] = [HistoryBuffer, OneCycleParamScheduler, (_member, 'builtins.getattr')]
    allowed += [np.ndarray, np.dtype, *dtypes]
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        allowed += [(scalar, f'{module}.scalar'), (reconstruct, f'{module}._reconstruct')]
    torch.serialization.add_safe_globals(allowed)
    if hasattr(checkpoint, '_safe_torch_load'):
        checkpoint._safe_torch_load = _load_weights
    checkpoint.load_url = functools.partial(checkpoint.load_url, weights_only=True)
    _done.append(True)
