"""The configs that the documentation shows, outside the repository as a user has them, on stand-ins for the data."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from fec_mm.cli import train

from .test_recipes import build

ROOT = Path(__file__).parents[1]
CLASSES = {'camvid': 11, 'eight': 9, 'cifar': 10}
SHORT = [
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'val_dataloader.num_workers=0',
    'val_dataloader.persistent_workers=False',
    'train_cfg.val_interval=1',
]


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder beside the repository, with the files of docs/custom_dataset.md, as the working directory."""
    (tmp_path / 'fec_mm').symlink_to(ROOT)
    folder = tmp_path / 'mine'
    folder.mkdir()
    text = (ROOT / 'docs/custom_dataset.md').read_text()
    for name, code in re.findall(r'^```python\n# mine/(\w+\.py)\n(.*?)^```', text, flags=re.MULTILINE | re.DOTALL):
        (folder / name).write_text(code)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize('name', CLASSES)
def test_model_and_data_agree_about_the_classes(mine: Path, name: str) -> None:
    cfg = Config.fromfile(f'{name}.py')
    total = CLASSES[name]
    for dataset in (cfg.train_dataloader.dataset, cfg.val_dataloader.dataset, cfg.test_dataloader.dataset):
        assert len(dataset.get('metainfo', {}).get('classes', range(total))) == total
    model = build(cfg)
    heads = {'camvid': ['decode_head'], 'eight': ['roi_head.bbox_head', 'roi_head.mask_head'], 'cifar': ['head']}
    assert [model.get_submodule(head).num_classes for head in heads[name]] == [total] * len(heads[name])


def photograph(path: Path, size: tuple[int, int], seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)


@pytest.mark.slow
def test_segmentation_trains(mine: Path) -> None:
    for split in ('training', 'validation'):
        for i in range(4):
            photograph(Path(f'data/camvid_mini/images/{split}/{i}.png'), (180, 240), i)
            labels = Path(f'data/camvid_mini/annotations/{split}/{i}.png')
            labels.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.random.default_rng(i).integers(0, 12, (180, 240), dtype=np.uint8)).save(labels)
    train.main(['camvid.py', '--cfg-options', *SHORT, 'train_cfg.max_iters=1', 'default_hooks.checkpoint.interval=1'])
    assert Path('work_dirs/camvid/iter_1.pth').is_file()
    assert 'mIoU' in scalars('camvid')


@pytest.mark.slow
def test_detection_trains(mine: Path) -> None:
    """Of nine photographs the one with the smallest object is left out."""
    names = Config.fromfile('eight.py').classes
    categories = [{'id': 3 * i, 'name': name} for i, name in enumerate(names)]
    coco: dict[str, list] = {'images': [], 'annotations': [], 'categories': categories}
    for i in range(9):
        photograph(Path(f'data/coco/train2017/{i}.png'), (200, 256), i)
        coco['images'].append({'id': i, 'file_name': f'{i}.png', 'height': 200, 'width': 256})
        side = 60 + 10 * i
        coco['annotations'].append(
            {
                'id': i + 1,
                'image_id': i,
                'category_id': 3 * i,
                'bbox': [20, 20, side, side],
                'area': side * side,
                'iscrowd': 0,
                'segmentation': [[20, 20, 20, 20 + side, 20 + side, 20 + side, 20 + side, 20]],
            }
        )
    Path('data/coco/annotations').mkdir()
    Path('data/coco/annotations/instances_train2017.json').write_text(json.dumps(coco))
    runpy.run_path('choose.py')
    assert {image['id'] for image in json.loads(Path('data/eight.json').read_text())['images']} == set(range(1, 9))
    train.main(
        [
            'eight.py',
            '--cfg-options',
            *SHORT,
            'train_cfg.max_epochs=1',
            'default_hooks.checkpoint.interval=1',
            'model.test_cfg.rcnn.score_thr=0.',
            'model.test_cfg.rcnn.max_per_img=5',
        ]
    )
    assert Path('work_dirs/eight/epoch_1.pth').is_file()
    assert 'coco/segm_mAP_50' in scalars('eight')


@pytest.mark.slow
def test_classification_trains(mine: Path) -> None:
    for split in ('train', 'val'):
        for i in range(10):
            for k in range(5):
                photograph(Path(f'data/cifar10_mini/{split}/{i}/{k}.png'), (32, 32), 10 * i + k)
    train.main(['cifar.py', '--cfg-options', *SHORT, 'train_cfg.max_epochs=1'])
    assert Path('work_dirs/cifar/epoch_1.pth').is_file()
    assert 'accuracy/top1' in scalars('cifar')


def scalars(name: str) -> dict:
    lines = next(Path('work_dirs', name).glob('*/vis_data/scalars.json')).read_text().splitlines()
    last: dict = json.loads(lines[-1])
    return last
