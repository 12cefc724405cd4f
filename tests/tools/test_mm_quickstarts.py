"""The toolboxes' own tools on the quick starts: their configs as they are, their data in small, and checkpoints as a
training leaves them, of initial weights."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fec_mm.apis import get_model

from .commands import ROOT, run

pytestmark = pytest.mark.slow
TASKS = {'mmpretrain': 'classification', 'mmdet': 'detection', 'mmseg': 'segmentation'}
# Toolbox, its tool, the tool's command line, and what is there afterwards: a file or words.
CASES = [
    ('mmpretrain', 'browse_dataset', '{config} -n 2 -o {out} --not-show', '*.png'),
    ('mmpretrain', 'confusion_matrix', '{config} {checkpoint} --show-path {out}/matrix.png', 'matrix.png'),
    ('mmpretrain', 'publish_model', '{checkpoint} {out}/model.pth', 'model_*.pth'),
    ('mmpretrain', 'test.py', '{config} {checkpoint} --tta --work-dir {out}', 'accuracy/top1'),
    ('mmdet', 'analysis_tools/browse_dataset', '{config} --output-dir {out} --not-show', '**/*.png'),
    ('mmdet', 'get_flops', '{config}', 'Flops: '),
    ('mmdet', 'publish_model', '{checkpoint} {out}/model.pth', 'model-*.pth'),
    ('mmdet', 'test.py', '{config} {checkpoint} --tta --work-dir {out}', 'coco/segm_mAP'),
    ('mmseg', 'misc/browse_dataset', '{config} --output-dir {out} --not-show', '**/*.png'),
    ('mmseg', 'benchmark', '{config} {checkpoint} --work-dir {out} --log-interval 2', 'fps: '),
    ('mmseg', 'publish_model', '{checkpoint} {out}/model.pth', 'model-*.pth'),
    ('mmseg', 'test.py', '{config} {checkpoint} --work-dir {out}', 'mIoU'),
]


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of the quick starts: two digits of a class, and a few scenes."""
    folder = tmp_path_factory.mktemp('data')
    for split in ('train', 'val'):
        for digit in range(10):
            place = folder / 'digits' / split / str(digit)
            place.mkdir(parents=True)
            for i in range(2):
                Image.fromarray(np.full((28, 28), 20 * digit + i, np.uint8)).save(place / f'{i}.png')
    maker = ROOT / 'tools/dataset_converters/digit_scenes.py'
    made = run('python', maker, '--num-train', 8, '--num-val', 9, '--out-dir', folder / 'digit_scenes')
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture(scope='module')
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By toolbox: weights with what a training writes beside them."""
    folder, found = tmp_path_factory.mktemp('checkpoints'), {}
    for scope, task in TASKS.items():
        torch.manual_seed(0)
        model = get_model(f'{ROOT}/configs/quickstart/{task}.py', device='cpu')
        model.init_weights()
        optimizer = torch.optim.AdamW(model.parameters())
        found[scope] = folder / f'{scope}.pth'
        content = dict(state_dict=model.state_dict(), optimizer=optimizer.state_dict(), meta=dict(epoch=1, iter=1))
        torch.save(content, found[scope])
    return found


@pytest.mark.parametrize(('scope', 'name', 'line', 'leaves'), CASES)
def test_each(
    data: Path, checkpoints: dict[str, Path], tmp_path: Path, scope: str, name: str, line: str, leaves: str
) -> None:
    out, config = tmp_path / 'out', ROOT / f'configs/quickstart/{TASKS[scope]}.py'
    out.mkdir()
    words = line.format(config=config, checkpoint=checkpoints[scope], out=out).split()
    done = run('python', ROOT / 'tools/mm.py', scope, name, *words, folder=tmp_path, FEC_DATA=str(data))
    assert done.returncode == 0, done.stderr[-3000:]
    if leaves.endswith(('.png', '.pth')):
        assert any(path.stat().st_size for path in out.glob(leaves))
    else:
        assert re.search(leaves, done.stdout + done.stderr)
