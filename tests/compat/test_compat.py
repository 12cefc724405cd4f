"""The work-arounds, each against the failure it is there for."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as torch_dist
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler import OneCycleLR

from fec_mm import compat


def python(code: str, *path: Path) -> str:
    """What a fresh interpreter prints, without the finder that the environment's own .pth file may have installed."""
    forget = 'import sys; sys.meta_path[:] = [f for f in sys.meta_path if type(f).__name__ != "_Awaiting"]\n'
    done = subprocess.run(
        [sys.executable, '-c', forget + code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(map(str, path))},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_is_cheap() -> None:
    code = (
        'import sys, fec_mm.compat as c; c.await_torchvision()\n'
        'print({"torch", "numpy", "mmengine"} & set(sys.modules))'
    )
    assert python(code) == 'set()'


@pytest.fixture
def broken_torchvision(tmp_path: Path) -> Path:
    """A torchvision as PyPI's is beside another torch: its compiled part does not load, and importing it fails."""
    package = tmp_path / 'torchvision'
    package.mkdir()
    (package / '_C.so').write_bytes(b'not a library')
    (package / '__init__.py').write_text(
        'import torch\ntorch.library.register_fake("torchvision::nms")(lambda *a: a[1])\n'
    )
    return tmp_path


def test_plain_import_fails_and_ours_does_not(broken_torchvision: Path) -> None:
    with pytest.raises(AssertionError, match='torchvision::nms does not exist'):
        python('import torchvision', broken_torchvision)
    code = (
        'import sys, fec_mm.compat as c; c.await_torchvision(); c.await_torchvision()\n'
        'before = len(sys.meta_path); import torchvision, torch; c.declare_torchvision_ops()\n'
        'print(before - len(sys.meta_path), torch.ops.torchvision.nms.default._schema)'
    )
    assert (
        python(code, broken_torchvision)
        == '1 torchvision::nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor'
    )


def test_line_of_the_pth_file(broken_torchvision: Path, tmp_path: Path) -> None:
    (tmp_path / 'site').mkdir()
    (tmp_path / 'site/x.pth').write_text('import fec_mm.compat; fec_mm.compat.await_torchvision()\n')
    code = (
        f'import site, sys; site.addsitedir({str(tmp_path / "site")!r})\n'
        'print("torch" in sys.modules); import torchvision'
    )
    assert python(code, broken_torchvision) == 'False'


def test_declares_nothing_where_the_compiled_part_loads(broken_torchvision: Path) -> None:
    code = (
        'import torch, fec_mm.compat as c; loaded = []; torch.ops.load_library = loaded.append\n'
        'c.declare_torchvision_ops(); print([p.name for p in loaded], hasattr(torch.ops.torchvision, "nms"))'
    )
    assert python(code, broken_torchvision) == "['_C.so'] False"


def test_mmpretrain_without_its_multimodal_models(tmp_path: Path) -> None:
    """Beside a transformers that has not what they import."""
    package, about = tmp_path / 'transformers', tmp_path / 'transformers-5.0.0.dist-info'
    for folder in (package, about):
        folder.mkdir()
    (package / '__init__.py').write_text('')
    (about / 'METADATA').write_text('Metadata-Version: 2.1\nName: transformers\nVersion: 5.0.0\n')
    ready = 'import fec_mm.compat as c; c.await_torchvision()\n'
    code = 'from mmpretrain.models import PoolFormer; print(PoolFormer.__name__)'
    with pytest.raises(AssertionError, match='transformers'):
        python(ready + code, tmp_path)
    assert python(ready + 'c.apply()\n' + code, tmp_path).splitlines()[-1] == 'PoolFormer'


def test_real_torchvision_imports() -> None:
    code = 'import fec_mm.compat as c; c.apply(); import torchvision; print(torchvision.ops.nms.__name__)'
    assert python(code) == 'nms'


def history() -> HistoryBuffer:
    return HistoryBuffer([0.5, 0.25], [1, 2])


def test_mmengine_records_load_weights_only(tmp_path: Path) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    schedule = OneCycleLR(optimizer, eta_max=1.0, total_steps=9).state_dict()
    values = [
        np.bool_(True),
        np.int64(3),
        np.float32(0.5),
        np.float64(0.25),
        np.arange(3, dtype=np.uint8),
        np.array(['a']),
    ]
    torch.save({'hub': history(), 'schedule': schedule, 'values': values}, tmp_path / 'x.pth')
    compat.allow_checkpoint_globals()
    loaded = torch.load(tmp_path / 'x.pth', weights_only=True)
    assert loaded['hub'].mean() == history().mean() == 0.25  # of 3 counts
    assert loaded['schedule'] == schedule
    for value, given in zip(loaded['values'], values):
        assert type(value) is type(given)
        assert value.dtype == given.dtype
        np.testing.assert_array_equal(value, given)


def rename_in_pickle(path: Path, old: bytes, new: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, 'w') as archive:
        for name, data in content.items():
            archive.writestr(name, data.replace(old, new) if name.endswith('data.pkl') else data)


def test_records_of_the_other_numpy_load(tmp_path: Path) -> None:
    torch.save({'hub': history(), 'best': np.float64(7)}, tmp_path / 'x.pth')
    here, there = b'numpy._core.multiarray', b'numpy.core.multiarray'
    if np.__version__.startswith('1.'):
        here, there = there, here
    rename_in_pickle(tmp_path / 'x.pth', here, there)
    compat.allow_checkpoint_globals()
    loaded = torch.load(tmp_path / 'x.pth', weights_only=True)
    assert (loaded['hub'].max(), loaded['best']) == (0.5, 7)


class Names:
    """Pickles as `getattr(owner, name)`."""

    def __init__(self, owner: Any, name: str) -> None:
        self.owner, self.name = owner, name

    def __reduce__(self) -> tuple:
        return getattr, (self.owner, self.name)


class Calls:
    """Pickles as `function(*arguments)`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize(
    'evil',
    [
        Names(np.ndarray, 'tofile'),
        Names(HistoryBuffer, '__init__'),
        Names(OneCycleLR, 'step'),
        Calls(os.getcwd),
        Calls(eval, '1'),
        Calls(HistoryBuffer.register_statistics, print),
    ],
    ids=str,
)
def test_loading_stays_weights_only(tmp_path: Path, evil: Any) -> None:
    torch.save({'x': evil}, tmp_path / 'x.pth')
    compat.allow_checkpoint_globals()
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / 'x.pth', weights_only=True)


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


def test_checkpoints_are_written_safely() -> None:
    for hooks, expected in (
        (None, dict(interval=1)),
        ({}, dict(interval=1)),
        (dict(checkpoint=dict(type='CheckpointHook', max_keep_ckpts=1)), dict(max_keep_ckpts=1)),
    ):
        cfg = Config(dict(default_hooks=hooks))
        compat.keep_checkpoints_safe(cfg)
        assert cfg.default_hooks.checkpoint == dict(type='fec_mm.SafeCheckpointHook', **expected)
    for hook in (None, dict(type='mine.Hook')):
        cfg = Config(dict(default_hooks=dict(checkpoint=hook)))
        compat.keep_checkpoints_safe(cfg)
        assert cfg.default_hooks.checkpoint == hook
