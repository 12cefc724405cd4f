"""tools/train.py on a disk that is full where a training can do without, and where it cannot."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fec_mm.cli import train

from .commands import load
from .tiny import make_config


def test_the_tool_goes_on(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training whose every line fails."""

    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, 'No space left on device', str(tmp_path))

    monkeypatch.setattr('mmengine.visualization.LocalVisBackend._dump', fail)
    train.main([str(make_config(root, 'mmpretrain', folder=tmp_path)), '--work-dir', str(tmp_path / 'work')])
    assert load(tmp_path / 'work/epoch_2.pth')['meta']['epoch'] == 2


def test_a_full_disk_at_the_start_is_one_line(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Callable[..., str]
) -> None:
    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr('mmengine.config.Config.dump', fail)
    config = make_config(root, 'mmpretrain', folder=tmp_path)
    assert 'cannot be written (No space left on device)' in failure(train.main, config, '--work-dir', tmp_path / 'work')
