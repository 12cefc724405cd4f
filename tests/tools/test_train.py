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
