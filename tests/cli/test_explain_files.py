"""Lines about files and folders: one that is gone, names with line breaks, names that are no UTF-8."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fec_mm.cli.explain import explain
from fec_mm.errors import UserError


def line(run: Callable[[], Any]) -> str | None:
    try:
        run()
    except Exception as error:
        return explain(error)
    raise AssertionError('nothing was raised')


def write(runner: Any, path: Path) -> None:
    """As a backend of the visualizer does below a hook, which knows the runner."""
    path.write_text(str(runner))


def test_work_dir_that_was_removed(tmp_path: Path) -> None:
    runner = SimpleNamespace(work_dir=str(tmp_path / 'work'))
    says = ' is gone, removed or moved while the run wrote into it: put it back, or give another --work-dir'
    file = tmp_path / 'work/20260101_000000/vis_data/scalars.json'
    assert line(lambda: write(runner, file)) == f'folder {tmp_path}/work{says}'
    (tmp_path / 'work').mkdir()
    assert line(lambda: write(runner, file)) == f'folder {tmp_path}/work/20260101_000000{says}'


def test_other_files_that_do_not_exist(tmp_path: Path) -> None:
    runner = SimpleNamespace(work_dir=str(tmp_path / 'work'))
    assert (
        line(lambda: write(runner, tmp_path / 'data/x.json'))
        == f'{tmp_path}/data/x.json does not exist: correct the path'
    )
    (tmp_path / 'work').mkdir()
    assert line((tmp_path / 'work/x').read_text) == f'{tmp_path}/work/x does not exist: correct the path'


@pytest.mark.parametrize('name', ['a\nb.png', 'a  b.png', 'a\r\n c: d.png'])
def test_names_are_whole(tmp_path: Path, name: str) -> None:
    shown = name.replace('\n', '\\n').replace('\r', '\\r')
    assert line((tmp_path / name).read_text) == f'{tmp_path}/{shown} does not exist: correct the path'
    assert line(lambda: Path(os.fsencode(tmp_path / name)).read_text()) is None  # a TypeError of ours
    assert line(lambda: os.stat(os.fsencode(tmp_path / name))) == f'{tmp_path}/{shown} does not exist: correct the path'


def test_lines_of_others_are_joined_and_spaces_stay() -> None:
    assert explain(UserError('x  y\n   is wrong:\n\n do  z ')) == 'x  y is wrong: do  z'


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    text = f"data_root = '{tmp_path}/{os.fsdecode(bytes([99, 0xE9]))}/data'\n"
    assert (
        line(lambda: (tmp_path / 'config.py').write_text(text, encoding='utf-8'))
        == f'{tmp_path}/c\\xe9/data is no UTF-8: rename the file or folder'
    )
    assert line(lambda: 'ü'.encode('ascii')) is None
