"""A file that fails in a worker is named, whatever the loop, and no other file is opened."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fec_mm.cli import train

from .tiny import make_config


@pytest.mark.parametrize('persistent', [False, True])
@pytest.mark.parametrize(
    'loop', ['by_epoch=True, max_epochs=1', "type='IterBasedTrainLoop', max_iters=4, val_interval=4"]
)
def test_label_map_in_a_worker(
    root: Path, tmp_path: Path, failure: Callable[..., str], loop: str, persistent: bool
) -> None:
    """A loop by iterations has started its workers before any hook is called."""
    shutil.copytree(root / 'data', tmp_path / 'data')
    (tmp_path / 'data/maps/5.png').write_bytes(b'')
    config = make_config(
        tmp_path,
        'mmseg',
        f'train_cfg = dict({loop})\nparam_scheduler = None\n'
        f'train_dataloader.update(num_workers=1, persistent_workers={persistent})\n',
    )
    line = failure(train.main, config, '--work-dir', tmp_path / 'work', '--no-validate')
    assert line == f'{tmp_path}/data/maps/5.png is not a readable image: replace it'


def test_labels_are_checked_in_a_loop_by_iterations(root: Path, tmp_path: Path, failure: Callable[..., str]) -> None:
    """Also by workers that ran before the check was there."""
    config = make_config(
        tmp_path,
        'mmseg',
        "train_cfg = dict(type='IterBasedTrainLoop', max_iters=4, val_interval=4)\n"
        "param_scheduler = None\ntrain_dataloader['num_workers'] = 1\n"
        f"train_dataloader['dataset'].update(data_root='{root}/data', metainfo=dict(classes=('ground', ), "
        'palette=[[0, 0, 0]]))\n',
    )
    line = failure(train.main, config, '--work-dir', tmp_path / 'work', '--no-validate')
    assert 'has the label 1, and the classes are 0 to 0' in line
