"""The quick-start configs, end to end on a few real digits: data, training, evaluation, and a picture of the
clusters."""

from __future__ import annotations

import importlib.util
import json
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from fec_mm.cli import test, train

ROOT = Path(__file__).parents[1]
SHORT_CLASSIFICATION = [
    'train_cfg.max_epochs=1',
    'train_cfg.val_interval=1',
    'train_dataloader.dataset.indices=128',
    'val_dataloader.dataset.indices=50',
    'test_dataloader.dataset.indices=50',
]
SHORT_SEGMENTATION = ['train_cfg.max_iters=2', 'train_cfg.val_interval=2', 'default_hooks.checkpoint.interval=2']
# The score of a config, and what makes it short.
TASKS = {
    'classification': ('accuracy/top1', SHORT_CLASSIFICATION),
    'classification_enformer': ('accuracy/top1', SHORT_CLASSIFICATION),
    'classification_cluenet': ('accuracy/top1', SHORT_CLASSIFICATION),
    'detection': ('coco/bbox_mAP_50', ['train_cfg.max_epochs=1', 'train_cfg.val_interval=1']),
    'segmentation': ('mIoU', SHORT_SEGMENTATION),
    'segmentation_local': ('mIoU', SHORT_SEGMENTATION),
}


def tool(path: str) -> Callable[[], None]:
    spec = importlib.util.spec_from_file_location('tool', ROOT / 'tools' / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('data')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', ['digits', '--out-dir', str(folder / 'digits')])
        tool('dataset_converters/digits.py')()
        patch.setattr(
            sys, 'argv', ['scenes', '--out-dir', str(folder / 'digit_scenes'), '--num-train', '8', '--num-val', '4']
        )
        tool('dataset_converters/digit_scenes.py')()
    return folder


def own_names() -> list[str]:
    """For a run among others of one process: mmengine hands out what it has under a name, with the folder of that."""
    name = uuid.uuid4().hex
    return [f'experiment_name={name}', f'visualizer.name={name}']


@pytest.mark.parametrize('task', TASKS)
def test_from_data_to_picture(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str) -> None:
    monkeypatch.setenv('FEC_DATA', str(data))
    config, (metric, short) = str(ROOT / f'configs/quickstart/{task}.py'), TASKS[task]
    options = ['--work-dir', str(tmp_path), '--cfg-options', *short]
    train.main([config, *options, *own_names()])
    last = json.loads(next(tmp_path.glob('*/vis_data/scalars.json')).read_text().splitlines()[-1])
    checkpoint = (tmp_path / 'last_checkpoint').read_text()
    scores = test.main([config, checkpoint, *options, *own_names()])
    assert scores[metric] == pytest.approx(last[metric])

    image = next((data / 'digit_scenes/images/validation').glob('*.png'))
    arguments = [config, str(image), '--checkpoint', checkpoint, '--out-dir', str(tmp_path / 'clusters')]
    monkeypatch.setattr(sys, 'argv', ['visualize_clusters', *arguments])
    tool('visualization/visualize_clusters.py')()
    picture = cv2.imread(str(tmp_path / 'clusters' / image.name))
    assert picture.shape[1] > 3 * 448 and picture.std() > 20
