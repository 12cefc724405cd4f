"""Settings of a cluster on a machine without an accelerator, and its process groups."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch.distributed as torch_dist
from mmengine.config import Config

from fec_mm import compat


def free_port() -> str:
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return str(s.getsockname()[1])


LAUNCHERS = {
    'pytorch': {'RANK': '0', 'WORLD_SIZE': '1', 'LOCAL_RANK': '0'},
    'slurm': {'SLURM_PROCID': '0', 'SLURM_NTASKS': '1', 'SLURM_NODELIST': 'localhost', 'SLURM_LOCALID': '0'},
    'mpi': {'OMPI_COMM_WORLD_LOCAL_RANK': '0', 'OMPI_COMM_WORLD_SIZE': '1', 'OMPI_COMM_WORLD_RANK': '0'},
}


@pytest.mark.skipif(not Path('/proc/self/task').is_dir(), reason='counts threads in /proc')
@pytest.mark.parametrize('launcher', LAUNCHERS)
def test_process_group_without_accelerator(launcher: str) -> None:
    code = f"""if True:
        import gc, glob, torch, fec_mm.compat as c, torch.distributed as d
        from mmengine.model import MMDistributedDataParallel
        before = torch.cuda.set_device
        def use():  # as a runner does: with a model in a reference cycle
            model = MMDistributedDataParallel(torch.nn.Linear(1, 1), broadcast_buffers=False)
            model.me = [model]
        def threads():
            return sum('gloo' in open(path).read() for path in glob.glob('/proc/self/task/*/comm'))
        gc.disable()
        with c.distributed({launcher!r}, backend='nccl', timeout=60):
            use()
            print(d.get_backend(), d.get_world_size(), torch.cuda.set_device is before, threads() > 0)
        print(d.is_initialized(), threads())"""
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            **LAUNCHERS[launcher],
            'MASTER_ADDR': '127.0.0.1',
            'MASTER_PORT': free_port(),
            'CUDA_VISIBLE_DEVICES': '-1',
        },
    )
    assert done.stdout.split() == ['gloo', '1', 'True', 'True', 'False', '0'], done.stderr


def test_no_process_group_without_launcher() -> None:
    with compat.distributed('none'):
        assert not torch_dist.is_initialized()


@pytest.fixture
def no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat.devices, 'has_accelerator', lambda: False)


def cluster_config(**changes: Any) -> Config:
    norm = dict(type='SyncBN', requires_grad=True)
    return Config(
        dict(
            launcher='pytorch',
            find_unused_parameters=True,
            sync_bn='torch',
            model=dict(
                type='M', backbone=dict(norm_cfg=norm), heads=[dict(norm_cfg=norm), dict(norm_cfg=dict(type='GN'))]
            ),
            optim_wrapper=dict(
                type='AmpOptimWrapper', loss_scale='dynamic', dtype='float16', optimizer=dict(type='SGD')
            ),
            **changes,
        )
    )


@pytest.mark.usefixtures('no_accelerator')
def test_config_of_a_cluster_is_adapted_to_a_laptop() -> None:
    cfg = cluster_config()
    notes = compat.adapt_to_device(cfg)
    assert cfg.model_wrapper_cfg == dict(
        type='MMDistributedDataParallel', broadcast_buffers=False, find_unused_parameters=True, device_ids=None
    )
    assert cfg.model.backbone.norm_cfg == cfg.model.heads[0].norm_cfg == dict(type='BN', requires_grad=True)
    assert cfg.model.heads[1].norm_cfg.type == 'GN'
    assert 'sync_bn' not in cfg
    assert cfg.optim_wrapper == dict(type='OptimWrapper', optimizer=dict(type='SGD'))
    assert [note.split(':')[0] for note in notes] == ['no accelerator'] * 2
    assert compat.adapt_to_device(cfg) == []


@pytest.mark.usefixtures('no_accelerator')
def test_other_model_wrappers_and_single_processes_are_left_alone() -> None:
    cfg = cluster_config(model_wrapper_cfg=dict(type='MMSeparateDistributedDataParallel', static_graph=True))
    compat.adapt_to_device(cfg)
    assert cfg.model_wrapper_cfg == dict(type='MMSeparateDistributedDataParallel', static_graph=True)
    cfg = cluster_config()
    cfg.launcher = 'none'
    compat.adapt_to_device(cfg)
    assert cfg.model.backbone.norm_cfg.type == 'SyncBN'  # which the runner reverts itself
    assert 'model_wrapper_cfg' not in cfg


def test_nothing_is_adapted_beside_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat.devices, 'has_accelerator', lambda: True)
    cfg = cluster_config()
    assert compat.adapt_to_device(cfg) == []
    assert cfg._cfg_dict == cluster_config()._cfg_dict
