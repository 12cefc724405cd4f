"""Logs on a full disk: `/dev/full` fails as one does."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from fec_mm.cli.explain import explain
from fec_mm.engine.tolerant_log import TolerantStream, tolerate_failing_logs
from tests.tools.commands import load

from .small import make_runner

FULL = Path('/dev/full')
pytestmark = pytest.mark.skipif(not FULL.exists(), reason='needs /dev/full')


def link_full(runner: Any, name: str) -> Path:
    """Have a file of the visualizer's folder on a full disk."""
    path = Path(runner._log_dir, 'vis_data', name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(FULL)
    return path


def test_a_full_disk_at_a_log_line(tmp_path: Path, capfd: Any) -> None:
    runner = make_runner(tmp_path)
    tolerate_failing_logs(runner)
    link_full(runner, 'scalars.json')
    runner.visualizer.add_scalars({'loss': 1.0}, step=1)
    runner.train()
    assert load(tmp_path / 'epoch_3.pth')['meta']['epoch'] == 3
    said = capfd.readouterr().err
    assert said.count('warning: the log cannot be written (No space left on device') == 1
    assert 'Traceback' not in said


def test_without_it_the_training_ends(tmp_path: Path) -> None:
    runner = make_runner(tmp_path)
    link_full(runner, 'scalars.json')
    with pytest.raises(OSError, match='No space'):
        runner.visualizer.add_scalars({'loss': 1.0}, step=1)


def test_a_quota_and_a_line_that_was_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line of the file can be read in the end."""
    runner = make_runner(tmp_path)
    tolerate_failing_logs(runner)
    runner.visualizer.add_scalars({'loss': 1.0}, step=1)

    def half(_values: dict, file: Any, **_kwargs: Any) -> None:
        file.write('{"loss": 2.')
        file.flush()
        raise OSError(errno.EDQUOT, 'Disk quota exceeded')

    with monkeypatch.context() as patch:
        patch.setattr('mmengine.visualization.vis_backend.dump', half)
        runner.visualizer.add_scalars({'loss': 2.0}, step=2)
    runner.visualizer.add_scalars({'loss': 3.0}, step=3)
    lines = next(tmp_path.glob('*/vis_data/scalars.json')).read_text().splitlines()
    assert [json.loads(line)['loss'] for line in lines] == [1.0, 3.0]


def test_the_text_log(tmp_path: Path, capfd: Any) -> None:
    """`logging` prints a traceback for each line."""
    runner = make_runner(tmp_path)
    tolerate_failing_logs(runner)
    handler: Any = next(h for h in runner.logger.handlers if hasattr(h, 'baseFilename'))
    stream, handler.stream = handler.stream, FULL.open('w')
    capfd.readouterr()
    for _ in range(2):
        runner.logger.error('x' * 100)
    handler.stream = stream
    said = capfd.readouterr().err
    assert 'Traceback' not in said
    assert said.count('the log cannot be written') == 1


def test_standard_output() -> None:
    with FULL.open('w') as file:
        stream = TolerantStream(file)
        print('x' * 99999, file=stream, flush=True)  # type: ignore[call-overload]
        assert stream.name == str(FULL)
        os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())  # closing it would fail


@pytest.mark.parametrize('code', [errno.ENOSPC, errno.EDQUOT])
def test_other_files_that_do_not_fit_are_one_line(code: int) -> None:
    line = explain(OSError(code, os.strerror(code), '/work/results.json')) or ''
    assert line == (
        f'/work/results.json cannot be written ({os.strerror(code)}): '
        'make room and run it again, a training with --resume'
    )
