"""Every work-around for the packages fec_mm runs on, each with its reason and where upstream it comes from.

Importing this module costs nothing: torch, numpy and mmengine are imported by the functions that need them.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from typing import Any

_kept: dict[str, Any] = {}  # a torch.library.Library loses its definitions when it is garbage collected

SYNC_BN_TYPES = ('SyncBN', 'MMSyncBN', 'NaiveSyncBN', 'SyncBatchNorm', 'torch.nn.SyncBatchNorm')
CHECKPOINT_HOOKS = (
    'CheckpointHook',
    'mmengine.CheckpointHook',
    'mmengine.hooks.CheckpointHook',
    'mmengine.hooks.checkpoint_hook.CheckpointHook',
)


def apply() -> None:
    """Whatever must hold before a toolbox is used; called by `fec_mm.registry`, cheap, as often as one likes."""
    await_torchvision()
    allow_checkpoint_globals()
    import fec_mm.fileio  # noqa: F401  # registers the backend that configs dumped by our tools name
    from fec_mm.datasets.hidden import pass_over_hidden

    pass_over_hidden()


def declare_torchvision_ops() -> None:
    """Make `import torchvision` work beside a torch that its compiled part was not built for.

    PyPI's torchvision on Linux is linked against CUDA's torch and does not load beside a CPU-only torch; its
    `torchvision/_meta_registrations.py` then fails with "operator torchvision::nms does not exist". No operator of
    torchvision is used here or by the toolboxes' models, so that the two schemas are enough. Where the compiled part
    loads, nothing is declared.
    """
    if 'torchvision' in sys.modules or 'torchvision' in _kept:
        return
    from importlib.util import find_spec

    spec = find_spec('torchvision')
    if spec is None or not spec.submodule_search_locations:
        return
    from pathlib import Path

    import torch

    for folder in spec.submodule_search_locations:
        for library in [*Path(folder).glob('_C*.so'), *Path(folder).glob('_C*.pyd')]:
            try:
                torch.ops.load_library(library)
            except OSError:
                continue
            return
    operators = torch.library.Library('torchvision', 'FRAGMENT')
    for name in ('nms', 'qnms'):
        operators.define(f'{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
    _kept['torchvision'] = operators


class _TorchvisionFinder:
    """The first finder of `sys.meta_path`: prepares torchvision when it is imported, and finds nothing itself."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        if fullname == 'torchvision':
            with contextlib.suppress(ValueError):
                sys.meta_path.remove(self)
            declare_torchvision_ops()
        return None


def await_torchvision() -> None:
    """Run `declare_torchvision_ops` when something imports torchvision, and not before.

    For a `.pth` file of an environment where the plain import fails: mmpretrain and mmdet import torchvision
    (mmpretrain/models/multimodal, mmdet/models/backbones), also from their own `tools/train.py`, which knows nothing
    of fec_mm at that point.
    """
    if 'torchvision' not in sys.modules and not any(isinstance(f, _TorchvisionFinder) for f in sys.meta_path):
        sys.meta_path.insert(0, _TorchvisionFinder())


def _member(owner: Any, name: str) -> Any:
    """What `getattr` may do in a checkpoint: name a method of a statistics buffer or of a one-cycle schedule.

    Raises:
        pickle.UnpicklingError: on anything else.
    """
    from pickle import UnpicklingError

    from mmengine.logging import HistoryBuffer
    from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

    allowed = owner is HistoryBuffer or (owner is OneCycleParamScheduler and name.startswith('_annealing_'))
    if not allowed or name.startswith('__'):
        raise UnpicklingError(f'Unsupported attribute {name!r} of {owner!r}')
    return getattr(owner, name)


def allow_checkpoint_globals() -> None:
    """Let torch's weights-only loading (the default since torch 2.6) read mmengine's checkpoints.

    mmengine 0.10.7 calls `torch.load(file)` (mmengine/runner/checkpoint.py, `load_from_local`) on files that hold

    - the message hub: `HistoryBuffer`s of numpy arrays, numpy scalars as best score.
      numpy 1 and 2 write different module names, and either must be able to read the other's files;
    - functions, which pickle protocol 2 writes as `getattr(class, name)`: the statistics of each buffer
      (mmengine/logging/history_buffer.py, `__getstate__`), the annealing function of a one-cycle schedule
      (mmengine/optim/scheduler/param_scheduler.py, `anneal_func`). That is allowed for just those classes, and the
      loader calls nothing that it gets that way.

    What is fetched from an address goes through torch.hub, which loads anything unless told otherwise.

    Below torch 2.6, whose safe globals cannot be named, nothing is needed and nothing done.
    """
    import torch

    if 'globals' in _kept or torch.__version__ < '2.6':
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
    checkpoint.load_url = functools.partial(checkpoint.load_url, weights_only=True)
    _kept['globals'] = True


def allow_large_images() -> None:
    """Let Pillow open what OpenCV opens: images of up to 2^30 pixels.

    Pillow's own limit is a sixth of that, and above a twelfth it warns (PIL/Image.py, `_decompression_bomb_check`):
    mmseg reads label maps with Pillow, and the images that they belong to with OpenCV.
    """
    from PIL import Image

    if Image.MAX_IMAGE_PIXELS is not None:
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, 1 << 29)  # it refuses twice as many


def has_accelerator() -> bool:
    """Whether mmengine finds a device that it can train on in several processes and in mixed precision.

    The latter is what `AmpOptimWrapper.__init__` asserts (mmengine/optim/optimizer/amp_optimizer_wrapper.py).
    """
    from mmengine.device import get_device

    return get_device() not in ('cpu', 'mps')


@contextlib.contextmanager
def distributed(launcher: str, **dist_cfg: Any) -> Iterator[None]:
    """The process group of a `--launcher`, from before the runner to after it.

    It is made by the function and with the arguments of the runner (mmengine/runner/runner.py, `setup_env`), which
    finds it and makes none. Where there is no accelerator it is one of gloo, and `torch.cuda.set_device`, which
    `mmengine.dist.init_dist` calls whatever the backend is (mmengine/dist/utils.py), and which raises without CUDA, is
    kept from it. The group is destroyed at the end, which mmengine forgets and torch warns of; nothing outside may
    refer to the runner by then.

    Args:
        launcher: none, pytorch, slurm or mpi.
        dist_cfg: `env_cfg.dist_cfg` of the config: timeout in seconds, port, backend.
    """
    import torch
    import torch.distributed as torch_dist

    if launcher != 'none' and not torch_dist.is_initialized():
        from unittest.mock import patch

        from mmengine.dist import init_dist

        if has_accelerator():
            init_dist(launcher, **dist_cfg)
        else:
            with patch.object(torch.cuda, 'set_device', lambda device: None):
                init_dist(launcher, **{**dist_cfg, 'backend': 'gloo'})
    yield
    # Not in a `finally`: after an error the other processes may wait in a collective that this one will not join.
    if torch_dist.is_available() and torch_dist.is_initialized():
        # Gloo's threads live until its last user is gone, here the model in the runner's reference cycles. One that
        # drops a tensor while the interpreter shuts down aborts the process ("terminate called without an active
        # exception").
        gc.collect()
        torch_dist.destroy_process_group()


def adapt_to_device(cfg: Any) -> list[str]:
    """Change in a config what cannot run without an accelerator, so that a config for a cluster runs on a laptop.

    - `MMDistributedDataParallel` gets `device_ids=None`: the runner passes the local rank
      (mmengine/runner/runner.py, `wrap_model`), which torch refuses for modules on the CPU.
    - SyncBN becomes BN in distributed runs: torch's DistributedDataParallel refuses SyncBN on the CPU. Parameters and
      keys are the same; statistics are per process. (Non-distributed runs: mmengine does the same itself.)
    - `AmpOptimWrapper` becomes `OptimWrapper`: it asserts an accelerator.

    Args:
        cfg: a full mmengine config, changed in place, its `launcher` set.

    Returns:
        One line for each change that a user should know of.
    """
    if has_accelerator():
        return []
    notes = []
    if cfg.get('launcher', 'none') != 'none':
        wrapper = dict(
            cfg.get('model_wrapper_cfg')
            or dict(
                type='MMDistributedDataParallel',
                broadcast_buffers=False,
                find_unused_parameters=cfg.get('find_unused_parameters', False),
            )
        )
        wrapper.setdefault('type', 'MMDistributedDataParallel')
        if wrapper['type'] == 'MMDistributedDataParallel':
            wrapper['device_ids'] = None
        cfg.model_wrapper_cfg = wrapper
        replaced = _replace_sync_bn(cfg.model)
        if cfg.pop('sync_bn', None) or replaced:
            notes.append('no accelerator: SyncBN is replaced by BN, whose statistics are those of each process')
    optim_wrapper = cfg.get('optim_wrapper')
    if optim_wrapper and optim_wrapper.get('type') == 'AmpOptimWrapper':
        optim_wrapper['type'] = 'OptimWrapper'
        for key in ('loss_scale', 'dtype', 'use_fsdp'):
            optim_wrapper.pop(key, None)
        notes.append('no accelerator: AmpOptimWrapper is replaced by OptimWrapper, training is in float32')
    return notes


def _replace_sync_bn(node: Any) -> int:
    """Turn every `type='SyncBN'` below `node` into BN; returns how many there were."""
    if isinstance(node, (list, tuple)):
        return sum(_replace_sync_bn(child) for child in node)
    if not isinstance(node, dict):
        return 0
    replaced = sum(_replace_sync_bn(child) for child in node.values())
    kind = node.get('type')
    if isinstance(kind, str) and kind.split('mmengine.')[-1] in SYNC_BN_TYPES:
        node['type'] = 'BN'
        replaced += 1
    return replaced


def leave_out_hooks(cfg: Any) -> None:
    """Leave out the default hooks that are None, which is how one switches off a hook that a config inherits.

    mmengine does so with those that it would add itself, which must stay there, and asserts that there are no others
    (mmengine/runner/runner.py, `register_default_hooks`).

    Args:
        cfg: a full mmengine config, changed in place.
    """
    added = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')
    for name, hook in list((cfg.get('default_hooks') or {}).items()):
        if hook is None and name not in added:
            del cfg.default_hooks[name]


def keep_checkpoints_safe(cfg: Any) -> None:
    """Replace mmengine's `CheckpointHook` by one that no interruption leaves without a whole checkpoint.

    mmengine's deletes the oldest checkpoint before it writes the new one, so that `max_keep_ckpts=1` may leave none;
    and it writes in place, and writes the newest one a second time when that is also the best
    (mmengine/hooks/checkpoint_hook.py, `_save_checkpoint_with_step`, `_save_best_checkpoint`).

    Args:
        cfg: a full mmengine config, changed in place.
    """
    hooks = cfg.get('default_hooks') or {}
    hook = hooks.get('checkpoint', dict(type='CheckpointHook', interval=1))  # what mmengine takes when there is none
    kind = hook.get('type') if hook else None
    if isinstance(kind, type):  # as in pure Python configs
        kind = f'{kind.__module__}.{kind.__name__}'
    if kind in CHECKPOINT_HOOKS:
        cfg.default_hooks = {**hooks, 'checkpoint': {**hook, 'type': 'fec_mm.SafeCheckpointHook'}}
