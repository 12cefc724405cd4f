"""One of several processes is killed, or is not like the others; each of it five times."""

from __future__ import annotations

import importlib
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.runner import Runner

from tests.tools.commands import free_port, load, run
from tests.tools.tiny import make_config, make_data

from .runs import Run, assert_same

pytestmark = pytest.mark.faults
HOOKS = """
default_hooks.update(exact_resume=dict(type='fec_mm.ExactResumeHook'), divergence=dict(type='fec_mm.DivergenceHook'),
                     process_watch=dict(type='fec_mm.ProcessWatchHook'))
"""


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('tiny')
    make_data(folder)
    importlib.import_module('mmpretrain')
    return folder


@pytest.mark.parametrize('time_', range(5))
def test_a_killed_process(root: Path, tmp_path: Path, time_: int) -> None:
    """By the launcher that users call, at a random iteration."""
    rng = random.Random(time_)
    rank, at = rng.randrange(2), rng.randrange(4)
    hook = dict(type='fec_mm.DieHook', rank=rank, at=at, kill=True, file=f'{tmp_path}/died')
    config = make_config(
        root,
        'mmpretrain',
        f"{HOOKS}custom_imports = dict(imports=['process_hooks'])\ncustom_hooks = [{hook}]\n",
        tmp_path,
    )
    done = run('tools/dist_train.sh', config, 2, '--work-dir', tmp_path / 'work', PORT=free_port())
    assert time.time() - float((tmp_path / 'died').read_text()) < 60
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f'error: process {rank} was killed by SIGKILL')
    assert len(list((tmp_path / 'work').glob('epoch_*.pth'))) == at // 2


DIFFERENCES = {
    'seed': ('randomness = dict(seed=1)', 'randomness.seed is 1 instead of 0'),
    'rate': ("optim_wrapper['optimizer']['lr'] = 1e-2", 'optim_wrapper.optimizer.lr is 0.01 instead of 0.001'),
    'batch': ("train_dataloader['batch_size'] = 1", 'train_dataloader.batch_size is 1 instead of 2'),
    'model': (
        "model['backbone']['layer_scale_init_value'] = 1.0",
        'model.backbone.layer_scale_init_value is 1.0 instead of 0.1',
    ),
    'epochs': ("train_cfg['max_epochs'] = 9", 'train_cfg.max_epochs is 9 instead of 2'),
}


@pytest.mark.parametrize('case', DIFFERENCES)
def test_a_process_with_another_config(root: Path, tmp_path: Path, case: str) -> None:
    change, expected = DIFFERENCES[case]
    config = make_config(
        root, 'mmpretrain', f"{HOOKS}if __import__('os').environ['RANK'] == '1':\n    {change}\n", tmp_path
    )
    training = Run(config, tmp_path / 'work', processes=2)
    assert training.wait(60) == [1, 1], training.log.read_text()
    assert training.errors() == [
        f'error: process 1 has another config than process 0: {expected}: '
        'start all processes with the same files and options'
    ]


def saving(folder: Path) -> Callable[[int], None]:
    """For `prepare`: each process writes its weights when it is done."""

    def prepare(rank: int) -> None:
        train = Runner.train

        def train_and_save(runner: Runner) -> None:
            torch.save(dict(train(runner).state_dict()), folder / f'{rank}.pth')

        Runner.train = train_and_save

    return prepare


@pytest.mark.parametrize('images', [3, 4, 5, 6, 7])
def test_an_uneven_last_batch(root: Path, tmp_path: Path, images: int) -> None:
    """Of two processes with batches of two: filled up by mmengine's sampler; both end with the same weights."""
    config = make_config(root, 'mmpretrain', f"{HOOKS}train_dataloader['dataset']['indices'] = {images}\n", tmp_path)
    training = Run(config, tmp_path / 'work', processes=2, prepare=saving(tmp_path))
    assert training.wait(60) == [0, 0], training.log.read_text()
    assert_same(load(tmp_path / '0.pth'), load(tmp_path / '1.pth'), 'weights')


@pytest.mark.parametrize(
    ('images', 'batch', 'lengths'), [(5, 2, (2, 1)), (1, 2, (1, 0)), (3, 1, (2, 1)), (5, 1, (3, 2)), (7, 1, (4, 3))]
)
def test_epochs_that_are_longer_for_one_process(
    root: Path, tmp_path: Path, images: int, batch: int, lengths: tuple[int, int]
) -> None:
    """By a sampler that does not fill up."""
    extra = (
        f"train_dataloader['sampler']['round_up'] = False\ntrain_dataloader['dataset']['indices'] = {images}\n"
        f"train_dataloader['batch_size'] = {batch}\nparam_scheduler = []\n"
    )
    training = Run(make_config(root, 'mmpretrain', HOOKS + extra, tmp_path), tmp_path / 'work', processes=2)
    assert training.wait(60) == [1, 1], training.log.read_text()
    assert training.errors() == [
        f'error: process 1 has epochs of {lengths[1]} iterations and others of {lengths[0]}: '
        'give all the same data, and their sampler round_up=True'
    ]
