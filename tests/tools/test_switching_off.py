"""A hook that a config inherits is switched off by None, in a config and on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fec_mm.cli import test, train

from .tiny import make_config

# All that configs/_base_/runtimes/default.py has.
OURS = """
default_hooks.update(exact_resume=dict(type='fec_mm.ExactResumeHook'), divergence=dict(type='fec_mm.DivergenceHook'),
                     channels_last=dict(type='fec_mm.ChannelsLastHook'),
                     process_watch=dict(type='fec_mm.ProcessWatchHook'))
default_hooks['checkpoint']['save_best'] = None
train_cfg['max_epochs'] = 1
"""
HOOKS = (
    'process_watch',
    'divergence',
    'exact_resume',
    'channels_last',
    'checkpoint',
    'runtime_info',
    'timer',
    'logger',
    'param_scheduler',
    'sampler_seed',
)


@pytest.mark.parametrize('name', HOOKS)
def test_on_the_command_line(root: Path, tmp_path: Path, name: str) -> None:
    config = make_config(root, 'mmpretrain', OURS, tmp_path)
    train.main([str(config), '--work-dir', str(tmp_path / 'work'), '--cfg-options', f'default_hooks.{name}=None'])
    assert (tmp_path / 'work/epoch_1.pth').is_file() is (name != 'checkpoint')


@pytest.mark.parametrize(
    'how', ['default_hooks.update({all})', 'default_hooks = None', 'default_hooks.update(process_watch=None)']
)
def test_in_a_config(root: Path, tmp_path: Path, how: str) -> None:
    """Also all at once."""
    names = ', '.join(f'{name}=None' for name in HOOKS)
    config = make_config(root, 'mmpretrain', f'{OURS}\n{how.format(all=f"dict({names})")}\n', tmp_path)
    train.main([str(config), '--work-dir', str(tmp_path / 'work')])
    assert (tmp_path / 'work/epoch_1.pth').is_file() is ('{all}' not in how)


def test_for_a_test(trained: Callable[[str], tuple[Path, Path]], tmp_path: Path) -> None:
    config, work_dir = trained('mmpretrain')
    metrics = test.main(
        [
            str(config),
            str(work_dir / 'epoch_2.pth'),
            '--work-dir',
            str(tmp_path),
            '--cfg-options',
            'default_hooks.process_watch=None',
            'default_hooks.divergence=None',
        ]
    )
    assert 'accuracy/top1' in metrics
