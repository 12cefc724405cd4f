"""tools/train.py on tiny data, for the three toolboxes."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from fec_mm.cli import test, train
from fec_mm.models import FEC, ContextCluster
from fec_mm.models.backbones.cluster_backbone import ClusterBackbone

from .commands import free_port, load, run
from .tiny import TASKS, make_config, make_data

Trained = Callable[[str], tuple[Path, Path]]
Failure = Callable[..., str]


@pytest.fixture
def own(root: Path, tmp_path: Path) -> Path:
    """A copy of the data that a test may damage."""
    shutil.copytree(root / 'data', tmp_path / 'data')
    return tmp_path


@pytest.mark.parametrize('scope', TASKS)
def test_trains_evaluates_and_keeps_two_checkpoints(trained: Trained, scope: str) -> None:
    work_dir = trained(scope)[1]
    assert (work_dir / 'last_checkpoint').read_text() == str(work_dir / 'epoch_2.pth')
    assert {p.name for p in work_dir.glob('epoch_*')} == {'epoch_1.pth', 'epoch_2.pth'}
    assert len(list(work_dir.glob('best_*.pth'))) == 1
    assert not list(work_dir.glob('.*part'))
    first, second = (load(work_dir / f'epoch_{i}.pth')['state_dict'] for i in (1, 2))
    assert first.keys() == second.keys()
    assert any(not torch.equal(first[k], second[k]) for k in first if first[k].is_floating_point())
    scalars = next(work_dir.glob('*/vis_data/scalars.json')).read_text().splitlines()
    assert {'mmpretrain': 'accuracy/top1', 'mmdet': 'coco/bbox_mAP', 'mmseg': 'mIoU'}[scope] in json.loads(scalars[-1])


@pytest.mark.parametrize('scope', TASKS)
def test_resumes_where_it_stopped(trained: Trained, scope: str, tmp_path: Path) -> None:
    config, work_dir = trained(scope)
    shutil.copytree(work_dir, tmp_path / 'work')
    (tmp_path / 'work/last_checkpoint').write_text(str(tmp_path / 'work/epoch_2.pth'))
    train.main([str(config), '--work-dir', f'{tmp_path}/work', '--resume', '--cfg-options', 'train_cfg.max_epochs=3'])
    before, after = load(tmp_path / 'work/epoch_2.pth'), load(tmp_path / 'work/epoch_3.pth')
    assert (after['meta']['epoch'], after['meta']['iter']) == (3, 12)
    steps = [{int(s['step']) for s in c['optimizer']['state'].values()} for c in (before, after)]
    assert steps == [{8}, {12}]  # the optimizer continued, too
    losses = after['message_hub']['log_scalars']['train/loss']
    assert len(losses.data[0]) == 12


def test_resume_from_a_path_and_options(trained: Trained, tmp_path: Path) -> None:
    config, work_dir = trained('mmpretrain')
    train.main(
        [
            str(config),
            '--work-dir',
            str(tmp_path),
            '--resume',
            str(work_dir / 'epoch_1.pth'),
            '--no-validate',
            '--auto-scale-lr',
            '--cfg-options',
            'default_hooks.checkpoint.max_keep_ckpts=1',
            'sync_bn=torch',
        ]
    )
    after = load(tmp_path / 'epoch_2.pth')
    assert after['meta']['iter'] == 8
    assert (
        'val/accuracy/top1' not in after['message_hub']['log_scalars']
        or len(after['message_hub']['log_scalars']['val/accuracy/top1'].data[0]) == 1
    )  # from epoch 1
    used = Config.fromfile(tmp_path / config.name)
    assert {path.name for path in tmp_path.glob('*.pth')} == {'epoch_2.pth'}
    assert used.auto_scale_lr.enable is True
    assert used.val_cfg is None


def test_resume_without_a_checkpoint_starts_from_the_weights_of_the_config(trained: Trained, tmp_path: Path) -> None:
    """As a job script says --resume the first time too."""
    config, work_dir = trained('mmpretrain')
    options = (
        '--no-validate',
        '--cfg-options',
        f'load_from={work_dir}/epoch_1.pth',
        'param_scheduler.0.eta_max=0',
        'train_cfg.max_epochs=1',
    )
    for _ in range(2):  # the second time there is one to continue from, and nothing left to do
        train.main([str(config), '--work-dir', str(tmp_path), '--resume', *options])
        expected = load(work_dir / 'epoch_1.pth')['state_dict']
        weights = {key for key, value in expected.items() if value.is_floating_point() and 'running' not in key}
        got = load(tmp_path / 'epoch_1.pth')
        assert got['meta']['iter'] == 4
        assert all(torch.equal(got['state_dict'][key], expected[key]) for key in weights)


def test_work_dir_has_the_name_of_the_config(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = make_config(root, 'mmpretrain', "del work_dir\ntrain_cfg['max_epochs'] = 1\n", tmp_path)
    monkeypatch.chdir(tmp_path)
    train.main([str(config)])
    assert (tmp_path / 'work_dirs/mmpretrain/epoch_1.pth').is_file()


@pytest.mark.parametrize(('scope', 'backbone'), [('mmdet', FEC), ('mmseg', ContextCluster)])
def test_log_says_what_a_checkpoint_gives_the_backbone(
    root: Path, tmp_path: Path, failure: Failure, scope: str, backbone: type[ClusterBackbone]
) -> None:
    def config(prefix: str) -> Path:
        init_cfg = dict(type='Pretrained', checkpoint=f'{tmp_path}/classifier.pth', prefix=prefix)
        return make_config(
            root, scope, f"model['backbone']['init_cfg'] = {init_cfg}\ntrain_cfg['max_epochs'] = 1\n", tmp_path
        )

    classifier = backbone(Config.fromfile(config('')).fec)
    state = {f'backbone.{key}': value for key, value in classifier.state_dict().items()}
    torch.save({'state_dict': {**state, 'head.fc.bias': torch.zeros(3)}}, tmp_path / 'classifier.pth')
    train.main([str(config('backbone.')), '--work-dir', f'{tmp_path}/work', '--no-validate'])
    kept, total = ('norm2.weight, norm2.bias', len(state) + 2) if scope == 'mmdet' else ('nothing', len(state))
    assert (
        f'{backbone.__name__}: {len(state)} of {total} tensors are loaded from {tmp_path}/classifier.pth; not in it: '
        f'{kept}; '
        f'in it, but not for {backbone.__name__}: head.fc.bias'
    ) in next(tmp_path.glob('work/*/*.log')).read_text()
    line = failure(train.main, config('neck.'), '--work-dir', tmp_path / 'bad')
    assert line.endswith("no key starts with 'neck.': give prefix='backbone.'")
    assert not list(tmp_path.glob('bad/*.pth'))


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


def test_the_command_itself(root: Path) -> None:
    done = run(sys.executable, 'tools/train.py', root / 'none.py')
    assert done.returncode == 1
    assert done.stderr == (
        f'error: config {root}/none.py does not exist: give one such as configs/quickstart/classification.py\n'
    )
    assert 'usage: train.py' in run(sys.executable, 'tools/train.py', '--help').stdout


@pytest.mark.slow
@pytest.mark.parametrize('scope', TASKS)
def test_two_processes_train_evaluate_and_resume(tmp_path: Path, scope: str) -> None:
    make_data(tmp_path)
    config = make_config(tmp_path, scope)
    port = free_port()
    done = run('tools/dist_train.sh', config, 2, PORT=port)
    assert done.returncode == 0, done.stderr
    first = load(tmp_path / 'work/epoch_2.pth')
    assert first['meta']['iter'] == 4  # half of a single process's 8: each has half the data
    assert ('SyncBN is replaced' in done.stdout) == (scope != 'mmpretrain')
    assert 'destroy_process_group' not in done.stderr
    done = run(
        'tools/dist_train.sh', config, 2, '--resume', 'auto', '--cfg-options', 'train_cfg.max_epochs=3', PORT=port
    )
    assert done.returncode == 0, done.stderr
    assert load(tmp_path / 'work/epoch_3.pth')['meta']['iter'] == 6
    checkpoint = tmp_path / 'work/epoch_3.pth'
    done = run(
        'tools/dist_test.sh', config, checkpoint, 2, '--out', tmp_path / 'm.json', '--out-item', 'metrics', PORT=port
    )
    assert done.returncode == 0, done.stderr
    alone = test.main([str(config), str(checkpoint)])
    assert json.loads((tmp_path / 'm.json').read_text()) == pytest.approx(alone)


@pytest.mark.slow
def test_one_of_two_processes_reports(tmp_path: Path) -> None:
    make_data(tmp_path)
    (tmp_path / 'data/maps/3.png').write_bytes(b'no')  # only one process loads it
    done = run('tools/dist_train.sh', make_config(tmp_path, 'mmseg'), 2, PORT=free_port())
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith('error: ')]
    assert lines[0] == f'error: {tmp_path}/data/maps/3.png is not a readable image: replace it'
    assert lines[1:] == [lines[-1]] and 'its message is above' in lines[-1]  # the launcher's
    assert 'gloo' not in done.stderr
