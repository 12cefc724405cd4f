"""A training begins with a summary, and ends with a plot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from fec_mm.cli import train

from .commands import tool
from .tiny import TASKS, make_config

LABELS = {
    'mmpretrain': 'samples: left 4, right 4',
    'mmdet': 'objects: square 8',
    'mmseg': 'pixels of 8 label maps: ground ',
}


@pytest.mark.parametrize('scope', TASKS)
def test_five_lines_come_first(root: Path, tmp_path: Path, scope: str, capsys: pytest.CaptureFixture[str]) -> None:
    config, work_dir = make_config(root, scope, '', tmp_path), tmp_path / 'work'
    train.main([str(config), '--work-dir', str(work_dir), '--cfg-options', 'train_cfg.max_epochs=1'])
    out = capsys.readouterr().out
    data, labels, weights, schedule, output, log = out.splitlines()[:6]
    assert data.startswith('data') and '8 samples to train on' in data and '8 to validate' in data
    assert f'{2 if scope != "mmdet" else 1} classes' in data
    assert labels.startswith(f'labels    {LABELS[scope]}')
    assert weights == 'weights   initial ones, from no file'
    assert schedule.startswith('schedule  1 epochs of 4 iterations of 2 samples, AdamW at 0.001; validation every 1')
    assert output.startswith(f'output    {work_dir}')
    assert 'mmengine - INFO' in log or log.startswith('Loads') or log == ''
    assert 'Config:' in out and 'Epoch(train)' in out  # what was held back
    assert Image.open(work_dir / 'curves.png').size == (840, 720)


def test_labels_are_those_that_are_trained_on(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrapper's, where it has others than what it wraps: here both halves are one superclass."""
    extra = """
pairs = [dict(name='both', subclasses=[0, 1])]
train_dataloader['dataset'] = dict(
    type='fec_mm.SuperclassDataset', superclasses=pairs, dataset=train_dataloader['dataset'])
val_cfg = val_dataloader = val_evaluator = None
train_cfg['max_epochs'] = 1
"""
    config = make_config(root, 'mmpretrain', extra, tmp_path)
    train.main([str(config), '--work-dir', str(tmp_path / 'work')])
    assert capsys.readouterr().out.splitlines()[1] == 'labels    samples: both 8'


def test_several_trainings_in_one_plot(
    trained: Callable[[str], tuple[Path, Path]], tmp_path: Path, failure: Callable[..., str]
) -> None:
    main = tool('analysis_tools/plot_curves.py').main
    folders = [str(trained(scope)[1]) for scope in ('mmpretrain', 'mmseg')]
    main([*folders, '--out', str(tmp_path / 'new/both.svg')])
    assert (tmp_path / 'new/both.svg').read_text().startswith('<?xml')
    assert 'ends in .png' in failure(main, *folders, '--out', tmp_path / 'both.txt')
    assert 'has no */vis_data/scalars.json' in failure(main, tmp_path, '--out', tmp_path / 'none.png')
