"""Good data is neither refused nor warned of, by any of the checks of data, from training to testing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from fec_mm.cli import test as testing
from fec_mm.cli import train
from tests.tools.tiny import TASKS, make_config, make_data

SHORT = "train_cfg['max_epochs'] = 1\ndefault_hooks['checkpoint']['save_best'] = None\n"


def empty_class(root: Path) -> None:
    (root / 'data/classes/zebra').mkdir()


@pytest.mark.parametrize(
    ('scope', 'change', 'extra'),
    [
        *[(scope, lambda root: None, '') for scope in TASKS],
        ('mmpretrain', empty_class, "model['head']['num_classes'] = 3\n"),
        (
            'mmpretrain',
            lambda root: None,
            "train_dataloader['dataset'] = dict(type='RepeatDataset', times=2, dataset=train_dataloader['dataset'])\n",
        ),
        (
            'mmdet',
            lambda root: None,
            "del val_evaluator['ann_file']\ntest_pipeline[-1]['meta_keys'] += ('instances', )\n",
        ),
    ],
    ids=['mmpretrain', 'mmdet', 'mmseg', 'empty class', 'repeated', 'evaluator without file'],
)
def test_nothing_is_said(scope: str, change: Callable[[Path], None], extra: str, tmp_path: Path) -> None:
    make_data(tmp_path, 4)
    change(tmp_path)
    config, work = make_config(tmp_path, scope, SHORT + extra), tmp_path / 'work'
    train.main([str(config), '--work-dir', str(work)])
    testing.main([str(config), str(work / 'epoch_1.pth'), '--work-dir', str(work)])
    logs = [line for path in work.glob('*/*.log') for line in path.read_text().splitlines()]
    said = [
        line for line in logs if f' {logging.getLevelName(logging.WARNING)} ' in line and str(tmp_path / 'data') in line
    ]
    assert said == []
