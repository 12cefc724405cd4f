"""tools/train.py --resume, with the same settings and with others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fec_mm.cli import train

from .commands import load
from .tiny import TASKS, make_config

Trained = Callable[[str], tuple[Path, Path]]


def log(folder: Path) -> str:
    return next(folder.glob('*/*.log')).read_text()


@pytest.mark.parametrize('scope', TASKS)
def test_the_same_settings_are_no_warning(trained: Trained, tmp_path: Path, scope: str) -> None:
    config, work_dir = trained(scope)
    train.main([str(config), '--work-dir', str(tmp_path), '--resume', str(work_dir / 'epoch_1.pth')])
    text = log(tmp_path)
    assert 'other settings' not in text
    assert 'reaches to' not in text and 'ahead of' not in text and 'could not be' not in text
    assert load(tmp_path / 'epoch_2.pth')['meta']['epoch'] == 2


def test_others_are_named(trained: Trained, tmp_path: Path) -> None:
    """The warning comes from the tool, before the first step."""
    config, work_dir = trained('mmpretrain')
    checkpoint = work_dir / 'epoch_2.pth'
    train.main(
        [
            str(config),
            '--work-dir',
            str(tmp_path),
            '--resume',
            str(checkpoint),
            '--cfg-options',
            'train_cfg.max_epochs=3',
            'param_scheduler.0.total_steps=3',
            'optim_wrapper.optimizer.weight_decay=0.5',
        ]
    )
    text = log(tmp_path)
    assert (
        f'{checkpoint} ran with other settings than the config has; used as in the checkpoint: '
        'weight_decay 0.01 (config: 0.5), OneCycleLR.end 8 (config: 12), OneCycleLR.total_steps 8 (config: 12); '
        'used as in the config: max_epochs 3 (checkpoint: 2). To train with all' in text
    )
    assert 'OneCycleLR: total_steps reaches to 8 of 12 iterations, and from there on the rate stays' in text
    assert text.index('other settings') < text.index('Epoch(train)')


def test_a_checkpoint_of_another_name_is_found(root: Path, tmp_path: Path) -> None:
    """An older one, as the newest is damaged and the pointer is lost."""
    config = make_config(root, 'mmpretrain', "default_hooks['checkpoint']['filename_tmpl'] = 'e{}.pth'\n", tmp_path)
    options = [str(config), '--work-dir', str(tmp_path / 'work')]
    train.main(options)
    (tmp_path / 'work/e2.pth').write_bytes((tmp_path / 'work/e2.pth').read_bytes()[:-999])
    (tmp_path / 'work/last_checkpoint').unlink()
    for path in (tmp_path / 'work').glob('*/*.log'):
        path.unlink()
    train.main([*options, '--resume', '--cfg-options', "experiment_name='again'"])
    assert load(tmp_path / 'work/e2.pth')['meta']['epoch'] == 2
    texts = ' '.join(path.read_text() for path in (tmp_path / 'work').glob('*/*.log'))
    assert 'e2.pth is damaged or cut short' in texts and 'resumed epoch: 1' in texts
