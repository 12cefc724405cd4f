"""tools/train.py on configs, data and checkpoints that it cannot train with: one line each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fec_mm.cli import train

from .tiny import make_config

Trained = Callable[[str], tuple[Path, Path]]
Failure = Callable[..., str]


@pytest.fixture
def own(root: Path, tmp_path: Path) -> Path:
    """A copy of the data that a test may damage."""
    shutil.copytree(root / 'data', tmp_path / 'data')
    return tmp_path


BAD_CONFIGS = {
    'no default scope': ('mmpretrain', 'default_scope = None\n', 'default_scope in {config} is None: set it to one of'),
    'old scope': ('mmpretrain', "default_scope = 'mmcls'\n", "is 'mmcls'"),
    'no model': ('mmpretrain', 'del model\n', 'has no model'),
    'syntax': ('mmpretrain', 'model = dict(\n', 'config {config} cannot be read: SyntaxError'),
    'missing base': ('mmpretrain', "_base_ = ['nowhere.py']\n", 'nowhere.py'),
    'unknown type': (
        'mmpretrain',
        "model['backbone']['type'] = 'LeNet4'\n",
        "type='LeNet4' in the config is no model of mmpretrain: did you mean 'LeNet5'?",
    ),
    'unknown transform': ('mmseg', "train_pipeline[0]['type'] = 'LoadImagesFromFile'\n", "mean 'LoadImageFromFile'?"),
    'unknown hook': ('mmpretrain', "default_hooks['timer']['type'] = 'IterTimeHook'\n", "mean 'IterTimerHook'?"),
    'unknown optimizer': ('mmpretrain', "optim_wrapper['optimizer']['type'] = 'Adamw'\n", "mean 'AdamW'?"),
    'unknown argument': ('mmpretrain', "model['backbone']['colour'] = 3\n", "unexpected keyword argument 'colour'"),
    'wrong value': (
        'mmdet',
        "model['backbone']['out_indices'] = (2, 9)\n",
        'out_indices=(2, 9) must name some of the 4 stages',
    ),
    'unknown arch': (
        'mmseg',
        "model['backbone']['arch'] = 'huge'\n",
        "ContextCluster has no arch 'huge': choose one of tiny",
    ),
    'lengths': ('mmpretrain', "model['backbone']['centers_per_side'] = (4, 4)\n", 'must have one number per stage, 4'),
    'channels': ('mmdet', "model['neck']['in_channels'] = [16, 24]\n", 'in_channels'),
    'head': ('mmpretrain', "model['head']['in_channels'] = 84\n", 'ImageClassifier.head.fc (Linear: in_features=84'),
    'classes': ('mmpretrain', "model['head']['num_classes'] = 1\n", 'correct num_classes'),
    'missing setting': ('mmdet', "del model['train_cfg']['allowed_border']\n", "'allowed_border'"),
    'data root': (
        'mmpretrain',
        "train_dataloader['dataset']['data_root'] = 'data/digits'\n",
        'data/digits/classes does not exist: make it with `python tools/dataset_converters/',
    ),
    'annotations': ('mmdet', "train_dataloader['dataset']['ann_file'] = 'no.json'\n", 'data/no.json does not exist'),
    'images': ('mmseg', "train_dataloader['dataset']['data_prefix']['img_path'] = 'no'\n", 'data/no does not exist'),
    'other classes': (
        'mmdet',
        "train_dataloader['dataset']['metainfo'] = dict(classes=('cat', ))\n",
        'data/boxes.json has no category cat: give metainfo.classes the names that it has, in its order',
    ),
    'no images': ('mmseg', "train_dataloader['dataset']['img_suffix'] = '.jpg'\n", 'gives no sample'),
    'load_from': ('mmpretrain', "load_from = 'none.pth'\n", 'checkpoint none.pth does not exist'),
    'pretrained': (
        'mmdet',
        "model['backbone']['init_cfg'] = dict(type='Pretrained', checkpoint='none.pth')\n",
        'checkpoint none.pth does not exist',
    ),
    'pretrained head': (
        'mmseg',
        "model['decode_head']['init_cfg'] = [dict(type='Pretrained', checkpoint='none.pth')]\n",
        'checkpoint none.pth does not exist',
    ),
}


@pytest.mark.parametrize('case', BAD_CONFIGS)
def test_bad_config_is_one_line(root: Path, tmp_path: Path, failure: Failure, case: str) -> None:
    scope, extra, expected = BAD_CONFIGS[case]
    config = make_config(root, scope, extra, tmp_path)
    assert expected.format(config=config) in failure(train.main, config, '--work-dir', tmp_path)
    assert not list(tmp_path.glob('*.pth'))


def test_missing_config_and_wrong_options(failure: Failure, root: Path, trained: Trained) -> None:
    assert failure(train.main, root / 'none.py').startswith(f'config {root}/none.py does not exist')
    config = trained('mmpretrain')[0]
    assert '--amp needs an accelerator' in failure(train.main, config, '--amp')
    assert 'base_batch_size' in failure(
        train.main, config, '--auto-scale-lr', '--cfg-options', 'auto_scale_lr.base_batch_size=0'
    )
    assert '--cfg-options' in failure(train.main, config, '--cfg-options', 'param_scheduler.7.type=Adam')
    with pytest.raises(SystemExit, match='2'):
        train.main([str(config), '--cfg-options', 'nonsense'])


BAD_DATA = {
    'empty json': ('mmdet', 'boxes.json', b'', 'data/boxes.json is empty'),
    'no json': ('mmdet', 'boxes.json', b'{"images": [', 'data/boxes.json is not JSON'),
    'a list': ('mmdet', 'boxes.json', b'[]', 'data/boxes.json holds no images, annotations and categories'),
    'no image listed': (
        'mmdet',
        'boxes.json',
        b'{"images": [], "annotations": [], "categories": []}',
        'data/boxes.json has no category square',
    ),
    'broken image': ('mmpretrain', 'classes/left/0.png', b'no image', 'classes/left/0.png is not a readable image'),
    'cut label map': ('mmseg', 'maps/3.png', 60, 'data/maps/3.png is not a readable image'),
    'no label map': ('mmseg', 'maps/3.png', None, 'data/maps/3.png does not exist'),
}


@pytest.mark.parametrize(
    ('case', 'workers'),
    [(case, workers) for case in BAD_DATA for workers in (0, 1) if workers == 0 or BAD_DATA[case][0] == 'mmseg'],
)
def test_bad_data_is_one_line(own: Path, failure: Failure, case: str, workers: int) -> None:
    scope, name, content, expected = BAD_DATA[case]
    file = own / 'data' / name
    if content is None:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:content] if isinstance(content, int) else content)
    assert expected in failure(
        train.main,
        make_config(own, scope),
        '--work-dir',
        own / 'work',
        '--cfg-options',
        f'train_dataloader.num_workers={workers}',
    )


def test_validation_without_objects_is_one_line(own: Path, failure: Failure) -> None:
    coco = json.loads((own / 'data/boxes.json').read_text())
    (own / 'data/none.json').write_text(json.dumps({**coco, 'annotations': []}))
    config = make_config(
        own,
        'mmdet',
        f"val_dataloader['dataset']['ann_file'] = 'none.json'\nval_evaluator['ann_file'] = '{own}/data/none.json'\n",
    )
    assert f'{own}/data/none.json lists 8 images and no object' in failure(train.main, config)


def test_resume_refuses_what_it_cannot_continue(trained: Trained, tmp_path: Path, failure: Failure) -> None:
    config, work_dir = trained('mmpretrain')
    shutil.copytree(work_dir, tmp_path / 'work')
    last = tmp_path / 'work/epoch_2.pth'
    (tmp_path / 'work/last_checkpoint').write_text(str(last))
    last.write_bytes(last.read_bytes()[:-2000])
    (tmp_path / 'work/epoch_1.pth').write_bytes(b'')
    line = failure(train.main, config, '--work-dir', tmp_path / 'work', '--resume')
    assert line.startswith(
        f'none of the 2 checkpoints of {tmp_path}/work can be continued from (checkpoint {last} is damaged'
    )
    best = next(work_dir.glob('best_*.pth'))
    assert f'{best} has no optimizer and cannot be continued' in failure(train.main, config, '--resume', best)
    assert 'none.pth does not exist' in failure(train.main, config, '--resume', 'none.pth')
    assert 'of another model' in failure(
        train.main,
        config,
        '--work-dir',
        tmp_path / 'new',
        '--resume',
        work_dir / 'epoch_1.pth',
        '--cfg-options',
        'model.head.num_classes=3',
    )
    assert not list((tmp_path / 'new').glob('*.pth'))
