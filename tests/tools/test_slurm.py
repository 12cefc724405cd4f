"""tools/slurm_train.sh and slurm_test.sh, with a stand-in for srun."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from . import srun
from .commands import free_port, load, run
from .tiny import make_config, make_data


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts srun and scontrol on PATH; a folder for what they write."""
    monkeypatch.setenv('PATH', str(srun.install(tmp_path)) + os.pathsep + os.environ['PATH'])
    for name in ('GPUS', 'GPUS_PER_NODE', 'CPUS_PER_TASK', 'SRUN_ARGS', 'MASTER_ADDR', 'MASTER_PORT', 'LOCAL_RANK'):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


DEFAULTS = [
    '-p',
    'gpu',
    '--job-name=my job',
    '--gres=gpu:8',
    '--ntasks=8',
    '--ntasks-per-node=8',
    '--cpus-per-task=5',
    '--kill-on-bad-exit=1',
]
CALLS = {
    'slurm_train.sh': ['python', '-u', 'tools/train.py', 'a b.py', '--work-dir=the dir', '--launcher=slurm'],
    'slurm_test.sh': ['python', '-u', 'tools/test.py', 'a b.py', 'the dir', '--launcher=slurm'],
}


@pytest.mark.parametrize('script', CALLS)
def test_what_srun_is_asked_for(cluster: Path, script: str) -> None:
    record = cluster / 'call.json'
    start = [f'tools/{script}', 'gpu', 'my job', 'a b.py', 'the dir']
    done = run(*start, SRUN_RECORD=str(record))
    assert (done.returncode, done.stderr) == (7, '')  # srun's own
    assert json.loads(record.read_text()) == [DEFAULTS, CALLS[script]]
    options = ['--cfg-options', 'a=1', 'b="[(1, 2)]"']
    run(
        *start,
        *options,
        SRUN_RECORD=str(record),
        GPUS='16',
        GPUS_PER_NODE='4',
        CPUS_PER_TASK='3',
        SRUN_ARGS='--time=2:00 --exclusive',
    )
    asked, command = json.loads(record.read_text())
    assert asked == [
        '-p',
        'gpu',
        '--job-name=my job',
        '--gres=gpu:4',
        '--ntasks=16',
        '--ntasks-per-node=4',
        '--cpus-per-task=3',
        '--kill-on-bad-exit=1',
        '--time=2:00',
        '--exclusive',
    ]
    assert command == CALLS[script] + options


@pytest.mark.parametrize('script', CALLS)
def test_too_few_arguments(cluster: Path, script: str) -> None:
    done = run(f'tools/{script}', 'gpu', 'job', 'config.py')
    assert done.returncode != 0
    assert f'usage: tools/{script} PARTITION JOB_NAME CONFIG ' in done.stderr


@pytest.mark.slow
def test_slurm_without_gpus_trains_and_tests_as_torchrun_does(cluster: Path) -> None:
    make_data(cluster)
    config = make_config(cluster, 'mmpretrain')
    done = run('tools/slurm_train.sh', 'cpu', 'job', config, cluster / 'slurm', GPUS='2', MASTER_PORT=free_port())
    assert done.returncode == 0, done.stderr
    done = run('tools/dist_train.sh', config, 2, '--work-dir', cluster / 'torchrun', PORT=free_port())
    assert done.returncode == 0, done.stderr
    ours, theirs = (load(cluster / by / 'epoch_2.pth')['state_dict'] for by in ('slurm', 'torchrun'))
    assert ours.keys() == theirs.keys()
    for key in ours:
        torch.testing.assert_close(ours[key], theirs[key], msg=key)
    done = run(
        'tools/slurm_test.sh',
        'cpu',
        'job',
        config,
        cluster / 'slurm/epoch_2.pth',
        '--out',
        cluster / 'm.json',
        '--out-item',
        'metrics',
        GPUS='2',
        MASTER_PORT=free_port(),
    )
    assert done.returncode == 0, done.stderr
    assert 'accuracy/top1' in json.loads((cluster / 'm.json').read_text())


@pytest.mark.slow
def test_one_process_of_slurm_reports(cluster: Path) -> None:
    make_data(cluster)
    (cluster / 'data/maps/3.png').write_bytes(b'no')  # only one process loads it
    done = run(
        'tools/slurm_train.sh',
        'cpu',
        'job',
        make_config(cluster, 'mmseg'),
        cluster / 'work',
        GPUS='2',
        MASTER_PORT=free_port(),
    )
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith('error: ')]
    assert lines == [f'error: {cluster}/data/maps/3.png is not a readable image: replace it']
