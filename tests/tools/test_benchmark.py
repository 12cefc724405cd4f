"""The benchmark's rows and its words for mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fec_mm.cli.run import run_cli

from .commands import tool

TOOL = Path(__file__).parents[2] / 'tools/analysis_tools/benchmark.py'
QUICK = ['--size', '64x32', '--batch', '2', '--repeats', '1']


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(TOOL), *args], capture_output=True, text=True)


@pytest.fixture(scope='module')
def main() -> Callable[[list[str]], None]:
    return tool('analysis_tools/benchmark.py').main


def test_rows(tmp_path: Path) -> None:
    file = tmp_path / 'new/rows.json'
    done = run(*QUICK, '--task', 'detection', '--arch', 'small', '--mode', 'train', '--json', str(file))
    assert done.returncode == 0, done.stderr
    rows = json.loads(file.read_text())
    assert [row['arch'] for row in rows] == ['small']
    for row in rows:
        assert (row['task'], row['size'], row['batch'], row['mode']) == ('detection', '64x32', 2, 'train')
        assert row['speedup'] == pytest.approx(row['reference_s'] / row['fast_s'])
        assert row['over_products'] == pytest.approx(row['fast_s'] / row['products_s'])
        assert row['fast_peak_mib'] > 0 and row['reference_peak_mib'] > 0
    assert '| detection | small | 64x32 | 2 | train |' in done.stdout
    assert [path.name for path in file.parent.iterdir()] == ['rows.json']


def test_near_candidates(tmp_path: Path, main: Callable[[list[str]], None], capsys: pytest.CaptureFixture) -> None:
    file = tmp_path / 'rows.json'
    main([*QUICK, '--near', '--no-memory', '--arch', 'small', '--mode', 'eval', '--json', str(file)])
    (row,) = json.loads(file.read_text())
    assert row['near_ratio'] == pytest.approx(row['near_s'] / row['fast_s'])
    assert 'near / fast' in capsys.readouterr().out


@pytest.mark.slow
def test_scaling(tmp_path: Path) -> None:
    file = tmp_path / 'rows.json'
    done = run('--scaling', '--size', '128', '--batch', '1', '--repeats', '1', '--mode', 'eval', '--json', str(file))
    assert done.returncode == 0, done.stderr
    sizes = [row['size'] for row in json.loads(file.read_text())]
    assert sizes == ['64x64', '64x64', '96x96', '96x96', '128x128']
    assert 'memory ∝ pixels^' in done.stdout


@pytest.mark.parametrize(
    ('args', 'says'),
    [
        (['--size', '16'], 'at least 32 pixels'),
        (['--size', '64x64x64'], 'HxW'),
        (['--batch', '0'], 'at least 1'),
        (['--arch', 'huge'], "invalid choice: 'huge'"),
        (['--device', 'cuda'], 'use --device cpu'),
        (['--near', '--arch', 'coc-tiny'], 'only FEC has pooling with near candidates'),
        (['--launch', 'graph'], '--device cuda'),
        (['--launch', 'blocks'], '--mode train'),
        (['--centers-per-side', '4', '4', *QUICK], 'one number per stage'),
    ],
)
def test_mistakes(
    main: Callable[[list[str]], None], args: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        run_cli(lambda: main(args))
    error = capsys.readouterr().err
    assert exit.value.code != 0 and says in error and 'Traceback' not in error
