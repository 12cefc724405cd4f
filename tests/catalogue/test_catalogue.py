"""Every case of bad input ends in one line and a non-zero exit, or as the catalogue says; nothing of before is lost."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fec_mm.cli import run_cli
from tests.tools.commands import run

from . import annotations, command_line, configs, images
from . import checkpoints as checkpoint_cases
from .case import Case, command, prepare
from .document import CATALOGUE, DOCUMENT, document

ALL = [case for cases in CATALOGUE.values() for case in cases]
RUNS = [
    pytest.param(case, tool, id=f'{case.name}, {tool}', marks=[] if i == 0 else [pytest.mark.faults])
    for case in ALL
    for i, tool in enumerate(case.tools)
]


def files(folder: Path) -> dict[str, bytes]:
    """The content of every file of a folder but logs and data."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file() and 'data' not in path.relative_to(folder).parts
    }


@pytest.mark.parametrize(('case', 'tool'), RUNS)
def test_case(
    case: Case,
    tool: str,
    root: Path,
    checkpoints: Callable[[str], Path],
    tmp_path: Path,
    capfd: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = prepare(case, root, tmp_path, checkpoints(case.scope))
    for name, value in place.given.get('environment', {}).items():
        monkeypatch.setenv(name, value)
    before = files(tmp_path)
    monkeypatch.setattr(
        logging, 'raiseExceptions', False
    )  # mmengine's loggers hold the stream of the test that made them
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        run_cli(command(tool, place, case.argv))
    said = capfd.readouterr().err
    after = files(tmp_path)
    assert not (tmp_path / 'attacked').exists()
    lost = [name for name in before if after.get(name) != before[name] and name not in place.given.get('replaced', ())]
    assert lost == []
    assert not [name for name in after if 'part' in Path(name).name]
    if not case.says:
        assert ended.value.code == 0, said
        assert 'error: ' not in said
        case.check(place)
        return
    lines = [line for line in said.splitlines() if 'error: ' in line]
    assert 'Traceback' not in said, said
    assert ended.value.code == case.code, said
    assert len(lines) == 1
    assert case.matches(lines[0].split('error: ', 1)[1]), lines[0]
    new = set(after) - set(before)
    assert not [name for name in new if name.endswith(('.pth', '.pkl')) or name.startswith('out/')], new


def test_size_of_the_catalogue() -> None:
    assert len(ALL) >= 60
    assert len({case.name for case in ALL}) == len(ALL)
    assert all(bool(case.says) != bool(case.handled) and (case.cure or case.handled) for case in ALL)


def test_document_is_up_to_date() -> None:
    assert DOCUMENT.read_text(encoding='utf-8') == document(), 'run: python -m tests.catalogue.document'


SHELL = [images.EMPTY, annotations.NO_JSON, checkpoint_cases.ATTACK, configs.MISSPELT, command_line.NO_CONFIG]


@pytest.mark.faults
@pytest.mark.parametrize('case', SHELL, ids=lambda case: case.name)
def test_what_a_shell_sees(case: Case, root: Path, checkpoints: Callable[[str], Path], tmp_path: Path) -> None:
    """The command itself: one line, and nothing else, on standard error."""
    place = prepare(case, root, tmp_path, checkpoints(case.scope))
    argv = [word.format(folder=place.folder, **place.given) for word in case.argv]
    if case.tools[0] == 'test':
        argv = [str(place.given.get('checkpoint', place.checkpoint)), *argv]
    done = run(
        sys.executable,
        f'tools/{case.tools[0]}.py',
        place.config,
        *argv,
        '--work-dir',
        tmp_path / 'work',
        PYTHONWARNINGS='ignore',
    )
    lines = [line for line in done.stderr.splitlines() if not line.startswith('[')]  # OpenCV's own
    assert (done.returncode, len(lines)) == (1, 1), done.stderr
    assert case.matches(lines[0].removeprefix('error: ')), lines[0]
