"""The study's driver: what it trains, what it skips, how it sums up. The tools themselves are tested elsewhere."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config

from fec_mm.errors import UserError
from fec_mm.evaluation.cluster_maps import MEASURES
from fec_mm.evaluation.cluster_summary import measured, over_seeds

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools'))
import cluster_study as study


@pytest.fixture
def options(root: Path, tmp_path: Path) -> Namespace:
    """Those of the tiny data in the layout of ADE20K."""
    for kind, source in (('images', 'images'), ('annotations', 'maps')):
        for split in ('training', 'validation'):
            (tmp_path / 'data' / kind).mkdir(parents=True, exist_ok=True)
            (tmp_path / 'data' / kind / split).symlink_to(root / 'data' / source)
    given = ['--folder', str(tmp_path / 'data'), '--classes', 'ground', 'square', '--iterations', '2', '--crop', '64']
    return study.parse_args([*given, '--work-dir', str(tmp_path / 'study'), '--ignore-index', '9'])


def test_variants_differ_in_what_they_are_named_for(options: Namespace) -> None:
    published, local, loss = (study.config(options, 'folder', name, 7) for name in study.VARIANTS)
    assert 'pool' not in published.model.backbone and published.randomness.seed == 7
    assert local.model.backbone.pool.candidates == loss.model.backbone.pool.candidates == 'near'
    assert [hook['type'] for hook in local.custom_hooks] == ['EMAHook']
    hook = loss.custom_hooks[-1]
    assert hook.type == 'fec_mm.ClusterLossHook'
    assert (hook.loss.target, hook.loss.num_classes, hook.loss.ignore_index) == ('labels', 2, 9)
    for cfg in (local, loss):
        del cfg.model.backbone['pool']
        cfg.custom_hooks = published.custom_hooks
        assert cfg.to_dict() == published.to_dict()


@pytest.mark.parametrize('task', ['segmentation', 'detection', 'classification'])
def test_quick_starts(task: str) -> None:
    args = study.parse_args(['--tasks', task])
    cfg = study.config(args, task, 'local+loss', 0)
    target = cfg.custom_hooks[-1].loss.target
    assert target == ('labels' if task == 'segmentation' else 'colours')
    assert Config.fromstring(cfg.pretty_text, '.py').to_dict() == cfg.to_dict()


@pytest.mark.parametrize(
    ('task', 'option', 'total'),
    [
        ('segmentation', 'iterations', 1250),  # that of the quick start ends at four fifths of its cycle
        ('detection', 'epochs', 1000),
        ('classification', 'epochs', 1000),
    ],
)
def test_a_shorter_training_keeps_its_schedule(task: str, option: str, total: int) -> None:
    args = study.parse_args(['--tasks', task, f'--{option}', '1000'])
    cfg = study.config(args, task, 'local', 0)
    length = 'max_iters' if option == 'iterations' else 'max_epochs'
    assert (cfg.train_cfg[length], cfg.train_cfg.val_interval, cfg.param_scheduler.total_steps) == (1000, 1000, total)


def rows(seed: int, untrained: bool) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    return [
        dict(model=model, method=method, level=level, images=1, segments=9 * level, pieces=18 * level)
        | {name: float(rng.random()) for name in MEASURES}
        for model in ('trained', 'untrained')[: 1 + untrained]
        for level in (1, 2)
        for method in ('clusters', 'slic', 'slic/pieces')
    ]


def test_runs_only_what_is_missing(options: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []

    def tool(folder: Path, name: str, *arguments: Any) -> None:
        called.append(name)
        out = Path(str(arguments[-2] if arguments[-1] == '--untrained' else arguments[-1]))
        if name == 'train.py':
            if len(called) == 1:  # the first one is stopped
                raise KeyboardInterrupt
            (folder / 'train').mkdir()
            (folder / 'train/last_checkpoint').write_text('somewhere.pth\n')
        elif name == 'test.py':
            (folder / 'metrics.json').write_text(json.dumps({'mIoU': 30.0 + int(folder.name[-1])}))
        else:
            out.mkdir(exist_ok=True)
            found = rows(int(folder.name[-1]), '--untrained' in arguments)
            (out / 'cluster_maps.json').write_text(json.dumps(dict(rows=found)))

    monkeypatch.setattr(study, 'run_step', tool)
    argv = ['--folder', str(options.folder), '--classes', 'ground', 'square', '--work-dir', str(options.work_dir)]
    argv += ['--variants', 'published', 'local+loss', '--seeds', '0', '1']
    with pytest.raises(KeyboardInterrupt):
        study.main(argv)
    study.main(argv)
    assert called == ['train.py', *(['train.py', 'test.py', 'analysis_tools/eval_cluster_maps.py'] * 4)]
    study.main(argv)
    assert len(called) == 13
    study.main([*argv, '--baselines', 'grid'])  # measures anew, and trains nothing
    assert called[13:] == ['analysis_tools/eval_cluster_maps.py'] * 4
    text = (options.work_dir / 'summary.md').read_text()
    assert '| folder | mIoU (%) | published | 30.500 ± 0.707 | 0: 30, 1: 31 |' in text
    assert '| 1 | slic, as many as pieces of local+loss trained | 9 | 18 | 2.00 |' in text.replace(
        ' ± 0.00', ''
    ).replace(' ± 0', '')
    assert 'local+loss untrained' not in text and 'published untrained' in text
    assert {path.name for path in options.work_dir.iterdir() if path.is_file()} == {
        'summary.json',
        'summary.md',
        'folder.png',
    }
    with pytest.raises(UserError, match='is of other settings'):
        study.main([*argv, '--iterations', '3'])


def test_over_seeds() -> None:
    assert over_seeds([1.0, None, 3.0]) == pytest.approx((2, 2**0.5))
    mean, deviation = over_seeds([4.0])
    assert mean == 4 and deviation != deviation
    assert all(number != number for number in over_seeds([None]))


def test_rows_are_put_together_by_what_they_are_of() -> None:
    runs = [dict(task='t', variant='local', seed=s, score=1.0, rows=rows(s, True)) for s in range(3)]
    found = measured(runs)
    assert [level for level, _ in found] == [1] * 6 + [2] * 6
    assert [row['asa'] for row in found[2, 'local trained']] == [rows(s, True)[3]['asa'] for s in range(3)]


def test_folder_without_images_is_one_line(tmp_path: Path) -> None:
    args = study.parse_args(['--folder', str(tmp_path), '--classes', 'a'])
    with pytest.raises(UserError, match='no image in images/training'):
        study.config(args, 'folder', 'local', 0)


def test_folder_needs_its_classes() -> None:
    with pytest.raises(SystemExit):
        study.parse_args(['--tasks', 'folder'])


@pytest.mark.slow
def test_whole_study_of_a_tiny_folder(options: Namespace) -> None:
    argv = ['--folder', str(options.folder), '--classes', 'ground', 'square', '--work-dir', str(options.work_dir)]
    study.main([*argv, '--iterations', '2', '--crop', '64', '--seeds', '0'])
    runs = json.loads((options.work_dir / 'summary.json').read_text())
    assert [run['variant'] for run in runs] == list(study.VARIANTS)
    assert all({row['level'] for row in run['rows']} == {1, 2, 3} for run in runs)
