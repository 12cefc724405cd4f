"""The report of a rehearsal, and the command's words for mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fec_mm.cli.run import run_cli
from fec_mm.device import measures
from fec_mm.device.cases import Case
from fec_mm.device.parts import Outcome, Part, _attempt
from fec_mm.device.report import COLUMNS, as_json, machine, markdown, plan
from tests.tools.commands import tool

TOOL = 'analysis_tools/gpu_report.py'
ROOT = Path(__file__).parents[2]


def outcome(section: str, name: str, rows: list | None = None, **state: str) -> Outcome:
    return Outcome(Part(section, name, len, {}, 1.0), rows or [], **state)


def test_markdown_and_json() -> None:
    profile = measures.profile_case(Case('classification', 'tiny', (64, 32), 1, 'eval'))
    outcomes = [
        outcome('Is it right?', 'a', [dict(check='parity', on='FEC-S', result='yes', figures='outputs 1e-15')]),
        outcome('Is it right?', 'b', error='RuntimeError: no | such kernel'),
        outcome('How fast?', 'c', left_out='no time'),
        outcome('How fast?', 'd', left_out='no time'),
        outcome('Launches', 'e', profile),
    ]
    text = markdown(machine('cpu'), outcomes)
    assert '| parity | FEC-S | yes | outputs 1e-15 |' in text
    assert '| b |  | **no** | RuntimeError: no \\| such kernel |' in text
    assert '| no time | c; d |' in text and '| failed: RuntimeError: no \\| such kernel | b |' in text
    assert f'| classification | tiny | fast | eval | float32 | 1 | 64x32 | {profile[0]["kernels"]} |' in text
    assert '### The kernels that take most: classification, tiny, fast, eval, float32' in text
    parts = json.loads(json.dumps(as_json(machine('cpu'), outcomes)))['parts']
    assert [part['name'] for part in parts] == list('abcde') and parts[4]['rows'][0]['operators']


def test_a_gap_is_said_to_be_none() -> None:
    assert 'Nothing was left out, and nothing failed.' in markdown(machine('cpu'), [])


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
def test_plan(device: str) -> None:
    """Every part has a section of the report and a name of its own, and is what the process can import."""
    parts = plan(device)
    assert len({(part.section, part.name) for part in parts}) == len(parts)
    assert {part.section for part in parts} == set(COLUMNS)
    assert all(getattr(measures, part.run.__name__) is part.run for part in parts)


@pytest.mark.slow
@pytest.mark.parametrize(
    'part', [part for part in plan('cpu') if 'compiling' not in part.name], ids=lambda part: part.name
)
def test_rehearsal(part: Part) -> None:
    result = _attempt(part)
    assert result.error is None and result.left_out is None and result.rows


def test_command(tmp_path: Path) -> None:
    """In a second nothing fits: the report says so, and the command succeeds."""
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / 'tools' / TOOL),
            '--device',
            'cpu',
            '--minutes',
            '0.02',
            '--out',
            str(tmp_path / 'new/report.md'),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '| no time | parity of fec_small_cls;' in (tmp_path / 'new/report.md').read_text()
    assert {path.name for path in (tmp_path / 'new').iterdir()} == {'report.md', 'report.json'}


@pytest.mark.parametrize(
    ('args', 'says'),
    [
        ([], 'torch finds no GPU here'),
        (['--device', 'cpu', '--out', 'report.txt'], 'ends in .md'),
        (['--device', 'cpu', '--minutes', '0'], 'not a number above 0'),
    ],
)
def test_mistakes(args: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        run_cli(lambda: tool(TOOL).main(args))
    error = capsys.readouterr().err
    assert exit.value.code != 0 and says in error and 'Traceback' not in error
