"""How tools end."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import NoReturn

import pytest

from fec_mm.cli import run_cli
from fec_mm.errors import UserError


def end(capsys: pytest.CaptureFixture[str], error: BaseException | None) -> tuple[int, str]:
    """Exit code and standard error of a tool that raises `error`."""

    def main() -> None:
        if error is not None:
            raise error

    with pytest.raises(SystemExit) as ended:
        run_cli(main)
    return int(ended.value.code or 0), capsys.readouterr().err


def test_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert end(capsys, None) == (0, '')


def test_mistake_of_the_user_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert end(capsys, UserError('a is b:\n   do c')) == (1, 'error: a is b: do c\n')
    assert end(capsys, FileNotFoundError(2, 'No such file', 'data/x')) == (
        1,
        'error: data/x does not exist: correct the path\n',
    )


def test_bug_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = end(capsys, ValueError('never'))
    assert code == 1
    assert text.startswith('Traceback')
    assert text.endswith('ValueError: never\n')


def test_interruption(capsys: pytest.CaptureFixture[str]) -> None:
    assert end(capsys, KeyboardInterrupt()) == (130, '\ninterrupted\n')


@pytest.mark.parametrize('name', ['LOCAL_RANK', 'SLURM_LOCALID', 'OMPI_COMM_WORLD_LOCAL_RANK'])
def test_other_processes_are_quiet(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, '1')
    assert end(capsys, UserError('x')) == (1, '')


def test_arguments_end_as_argparse_says(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> NoReturn:
        raise SystemExit(2)

    with pytest.raises(SystemExit, match='2'):
        run_cli(main)


def test_import_is_cheap() -> None:
    code = 'import sys, json, fec_mm.apis; print(json.dumps(sorted({"torch", "numpy", "mmengine"} & set(sys.modules))))'
    assert json.loads(subprocess.run([sys.executable, '-c', code], capture_output=True, check=True).stdout) == []
