"""Configs and process groups on a machine without an accelerator."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from typing import Any

from .replacing import replaced

SYNC_BN_TYPES = ('SyncBN', 'MMSyncBN', 'NaiveSyncBN', 'SyncBatchNorm', 'torch.nn.SyncBatchNorm')


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
        from mmengine.dist import init_dist

        if has_accelerator():
            init_dist(launcher, **dist_cfg)
        else:
            with replaced(torch.cuda, 'set_device', lambda device: None):
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
        cfg: A full mmengine config, changed in place, its `launcher` set.

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
