"""Several processes of tools/train.py: one training, whatever their number; and what a user reads when one dies."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest
import torch

from .commands import free_port, load, run
from .tiny import make_config, make_data

TOTAL_BATCH, EPOCHS, STEPS_PER_EPOCH = 8, 4, 5
EXTRA = f"""
custom_imports = dict(imports={{imports}})
custom_hooks = {{hooks}}
model['backbone']['layer_scale_init_value'] = 0.5
train_cfg['max_epochs'] = param_scheduler[0]['total_steps'] = {EPOCHS}
default_hooks['checkpoint'] = dict(type='CheckpointHook', interval=1)
"""
FLOAT64 = EXTRA.format(
    imports=['float64', 'process_hooks'], hooks=[dict(type='fec_mm.RandomWeightsHook'), dict(type='fec_mm.RecordHook')]
)
pytestmark = pytest.mark.slow


def train(config: Path, processes: int, work_dir: Path, *options: object) -> subprocess.CompletedProcess[str]:
    """Train with the same total batch, whatever the number of processes, and without validation."""
    start = [sys.executable, 'tools/train.py', config] if processes == 1 else ['tools/dist_train.sh', config, processes]
    done = run(
        *start,
        '--work-dir',
        work_dir,
        '--no-validate',
        *options,
        '--cfg-options',
        f'train_dataloader.batch_size={TOTAL_BATCH // processes}',
        PORT=free_port(),
    )
    assert done.returncode == 0, done.stderr
    return done


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = load(checkpoint)['state_dict']
    assert {value.dtype for value in state.values()} == {torch.float64}
    return state


def steps(work_dir: Path) -> list[dict[str, float]]:
    """Of each iteration: its number, epoch and rate, which all processes must agree on, and the mean loss over them."""
    records = defaultdict(list)
    for file in work_dir.glob('steps.*.jsonl'):
        for line in file.read_text().splitlines():
            step = json.loads(line)
            records[step['iter'], step['epoch'], step['lr']].append(step['loss'])
    assert len({len(losses) for losses in records.values()}) == 1
    return [
        dict(iter=i, epoch=epoch, lr=lr, loss=sum(losses) / len(losses))
        for (i, epoch, lr), losses in sorted(records.items())
    ]


def assert_same(work_dir: Path, expected: Path, first: int = 0) -> None:
    """Equal steps from `first` on, and equal weights after the last."""
    ours, theirs = steps(work_dir), steps(expected)[first:]
    assert [step['iter'] for step in ours] == list(range(first, EPOCHS * STEPS_PER_EPOCH))
    for a, b in zip(ours, theirs):
        assert a == pytest.approx(b, rel=1e-9, abs=0), a
    a, b = (weights(folder / f'epoch_{EPOCHS}.pth') for folder in (work_dir, expected))
    assert a.keys() == b.keys()
    for key in a:
        torch.testing.assert_close(a[key], b[key], rtol=0, atol=1e-9, msg=key)


@pytest.fixture(scope='module')
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier in float64 on as many images as five total batches. It has no drop path, no Mixup and no batch
    norm."""
    folder = tmp_path_factory.mktemp('processes')
    make_data(folder, images=TOTAL_BATCH * STEPS_PER_EPOCH)
    return make_config(folder, 'mmpretrain', FLOAT64)


@pytest.fixture(scope='module')
def trained(config: Path) -> dict[int, Path]:
    """Work dirs of uninterrupted trainings of 1, 2 and 4 processes."""
    work_dirs = {n: config.parent / f'processes_{n}' for n in (1, 2, 4)}
    for processes, work_dir in work_dirs.items():
        train(config, processes, work_dir)
    return work_dirs


def test_the_single_process_learns_with_every_weight(trained: dict[int, Path]) -> None:
    done = steps(trained[1])
    assert len({step['lr'] for step in done}) == len(done) == 20
    first, last = weights(trained[1] / 'epoch_1.pth'), weights(trained[1] / f'epoch_{EPOCHS}.pth')
    still = {key for key in first if (first[key] - last[key]).abs().max() < 1e-6}
    assert still == {
        f'backbone.downsamples.{i}.f.{kind}' for i in range(3) for kind in ('weight', 'bias')
    }  # never a gradient


@pytest.mark.parametrize('processes', [2, 4])
def test_processes_train_as_one(trained: dict[int, Path], processes: int) -> None:
    assert_same(trained[processes], trained[1])


@pytest.mark.parametrize(('before', 'after'), [(2, 1), (2, 4), (1, 2), (4, 1)])
def test_resumes_on_another_number_of_processes(
    config: Path, trained: dict[int, Path], tmp_path: Path, before: int, after: int
) -> None:
    shutil.copy(trained[before] / 'epoch_2.pth', tmp_path)
    done = train(config, after, tmp_path / 'work', '--resume', tmp_path / 'epoch_2.pth')
    assert 'keep the total batch' not in done.stdout
    assert_same(tmp_path / 'work', trained[1], first=2 * STEPS_PER_EPOCH)


@pytest.mark.parametrize('processes', [2, 4])
@pytest.mark.parametrize('kill', [True, False])
def test_when_one_process_dies_the_others_stop(tmp_path: Path, processes: int, kill: bool) -> None:
    make_data(tmp_path)
    config = make_config(
        tmp_path,
        'mmpretrain',
        EXTRA.format(
            imports=['process_hooks'],
            hooks=[dict(type='fec_mm.DieHook', rank=1, at=1, kill=kill, file=f'{tmp_path}/died')],
        ),
    )
    done = run(
        'tools/dist_train.sh', config, processes, '--cfg-options', 'train_dataloader.batch_size=1', PORT=free_port()
    )
    assert time.time() - float((tmp_path / 'died').read_text()) < 60
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    if kill:
        assert lines[-1].startswith('error: process 1 was killed by SIGKILL')
        assert 'Traceback' not in done.stderr
    else:
        assert 'ArithmeticError: process 1 has had enough' in lines
        assert lines[-1] == 'error: process 1 failed (exit code 1; its message is above) and the others were stopped'
        assert done.stderr.count('Traceback') == 1
    assert len([line for line in lines if 'another process went away' in line]) <= kill  # whoever noticed first


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.socket() as s:
        s.bind(('', 0))
        s.listen()
        port = s.getsockname()[1]
        done = run('tools/dist_train.sh', tmp_path / 'none.py', 2, PORT=str(port))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f'error: port {port} of this machine is taken')
