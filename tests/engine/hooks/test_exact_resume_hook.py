"""A training that is killed and resumed, and one that is not."""

from __future__ import annotations

import importlib
import signal
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmdet.datasets import AspectRatioBatchSampler
from mmengine.dataset import InfiniteSampler
from mmengine.runner.loops import _InfiniteDataloaderIterator
from torch.utils.data import DataLoader, Dataset

from fec_mm.engine.hooks.exact_resume_hook import _restart
from fec_mm.engine.seeding import seed_batches
from tests.faults.runs import Run, assert_same_end, dying_in, records
from tests.tools.tiny import make_config, make_data

# Everything that draws: augmentation in workers, Mixup, drop path, and of a loop by iterations the order of its images.
EXTRA = {
    'mmpretrain': """
model['backbone']['drop_path_rate'] = 0.3
model['train_cfg'] = dict(augments=[dict(type='Mixup', alpha=0.8), dict(type='CutMix', alpha=1.0)])
train_pipeline[1:2] = [dict(type='RandomResizedCrop', scale=32), dict(type='RandomFlip', prob=0.5)]
custom_hooks = [dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.1)]
train_cfg['max_epochs'] = param_scheduler[0]['total_steps'] = 2
""",
    'mmseg': """
train_pipeline.insert(3, dict(type='RandomFlip', prob=0.5))
train_pipeline.insert(3, dict(type='PhotoMetricDistortion'))
train_dataloader['sampler']['type'] = 'InfiniteSampler'
train_cfg = dict(type='IterBasedTrainLoop', max_iters=9, val_interval=4)
val_cfg = dict(type='ValLoop')
param_scheduler = [dict(type='OneCycleLR', eta_max=2e-3, total_steps=9, by_epoch=False)]
default_hooks['checkpoint'].update(by_epoch=False, interval=3)
default_hooks['logger']['log_metric_by_epoch'] = False
log_processor = dict(by_epoch=False)
model['backbone']['drop_path_rate'] = 0.3
""",
}
COMMON = """
val_dataloader['dataset']['indices'] = 4
train_pipeline, test_pipeline = list(train_pipeline), list(test_pipeline)
EXTRA
train_dataloader['dataset']['pipeline'] = train_pipeline
val_dataloader['dataset']['pipeline'] = test_pipeline
default_hooks['exact_resume'] = dict(type='fec_mm.ExactResumeHook')
"""
# Where the trainings below are killed, one after the other, and at which call of that run.
KILLS = {'mmpretrain': [('a validation', 3)], 'mmseg': [('half a checkpoint', 4)]}


@pytest.mark.parametrize('scope', EXTRA)
def test_killed_and_resumed(tmp_path: Path, scope: str) -> None:
    """The uninterrupted training has no worker, the one that is killed has one, and two in the end."""
    importlib.import_module(scope)
    make_data(tmp_path)
    config = make_config(tmp_path, scope, COMMON.replace('EXTRA', EXTRA[scope]))
    assert Run(config, tmp_path / 'whole').wait() == [0]

    def workers(number: int) -> tuple[str, ...]:
        return (
            '--resume',
            '--cfg-options',
            f'train_dataloader.num_workers={number}',
            'train_dataloader.persistent_workers=True',
        )

    for place, count in KILLS[scope]:
        run = Run(config, tmp_path / 'killed', *workers(1), prepare=dying_in(place, count))
        assert run.wait() == [-signal.SIGKILL], run.log.read_text()
    run = Run(config, tmp_path / 'killed', *workers(2))
    assert run.wait() == [0], run.log.read_text()
    assert_same_end(tmp_path / 'killed', tmp_path / 'whole')
    logged = records(tmp_path / 'whole')
    assert [step for kind, step in logged if kind == 'validation'] == ([1, 2] if scope == 'mmpretrain' else [4, 8, 9])


class Shapes(Dataset):
    """Indices of images, every third of which is upright."""

    def __len__(self) -> int:
        return 24

    def __getitem__(self, index: int) -> int:
        return int(index)

    def get_data_info(self, index: int) -> dict[str, int]:
        return dict(width=2 - 2 * (index % 3 == 0), height=1)


@pytest.mark.parametrize('workers', [0, 1])
@pytest.mark.parametrize('done', [0, 5])
def test_batches_that_are_grouped_by_shape(workers: int, done: int) -> None:
    """Workers have filled the groups before the training begins; batches are the same as of a loader that nobody
    touched."""

    def loader(workers: int) -> DataLoader:
        batches = AspectRatioBatchSampler(InfiniteSampler(Shapes(), seed=1), batch_size=3)
        return DataLoader(Shapes(), batch_sampler=batches, num_workers=workers)

    expected = [batch.tolist() for batch in islice(loader(0), 12)]
    data = loader(workers)
    loop = SimpleNamespace(dataloader=data, iter=done, dataloader_iterator=_InfiniteDataloaderIterator(data))
    seed_batches(data, 1, 0)
    _restart(loop)
    assert [
        batch.tolist() for batch in islice(loop.dataloader_iterator, 12)
    ] == expected  # mmengine drops the first ones
