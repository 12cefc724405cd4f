"""No source file of ours loads pickles, evaluates text, runs a shell, or talks to the network."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [path for folder in ('fec_mm', 'tools') for path in sorted((ROOT / folder).rglob('*.py'))]
# Calls by their last names, and what makes them safe: an argument with this value.
UNSAFE: dict[str, tuple[str, object] | None] = {
    'torch.load': ('weights_only', True),
    'pickle.load': None,
    'pickle.loads': None,
    'pickle.Unpickler': None,
    'joblib.load': None,
    'marshal.loads': None,
    'shelve.open': None,
    'yaml.load': None,
    'yaml.unsafe_load': None,
    'yaml.full_load': None,
    'eval': None,
    'exec': None,
    'os.system': None,
    'os.popen': None,
    'compile': None,
}
NETWORK = {'urllib', 'requests', 'http', 'ftplib', 'smtplib', 'socket', 'aiohttp', 'httpx', 'huggingface_hub', 'wandb'}


def problems(source: str) -> list[str]:
    """What of a source may run code of a file, or reach the network."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            options = {keyword.arg: getattr(keyword.value, 'value', keyword.value) for keyword in node.keywords}
            if name in UNSAFE:
                safe = UNSAFE[name]
                if safe is None or options.get(safe[0]) is not safe[1]:
                    found.append(f'line {node.lineno}: {name}')
            if options.get('allow_pickle', False) is not False or options.get('shell', False) is not False:
                found.append(f'line {node.lineno}: {name} with allow_pickle or shell')
        names = (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or '']
            if isinstance(node, ast.ImportFrom) and not node.level
            else []
        )
        found += [f'line {node.lineno}: import {name}' for name in names if name.split('.')[0] in NETWORK]
        if isinstance(node, ast.ImportFrom) and node.module == 'pickle':
            found += [
                f'line {node.lineno}: pickle.{alias.name}' for alias in node.names if f'pickle.{alias.name}' in UNSAFE
            ]
    return found


@pytest.mark.parametrize(
    'bad',
    [
        'torch.load(f)',
        'torch.load(f, weights_only=False)',
        'torch.load(f, weights_only=x)',
        'pickle.load(f)',
        'eval(text)',
        'from pickle import loads',
        'np.load(f, allow_pickle=True)',
        'subprocess.run(c, shell=True)',
        'import urllib.request',
        'from requests import get',
        'yaml.load(f)',
    ],
)
def test_walk_sees(bad: str) -> None:
    assert len(problems(bad)) == 1


def test_walk_accepts() -> None:
    assert (
        problems('torch.load(f, weights_only=True)\nnp.load(f, allow_pickle=False)\nmodel.eval()\nre.compile(x)') == []
    )


def test_sources() -> None:
    assert len(SOURCES) > 80
    assert {str(path): found for path in SOURCES if (found := problems(path.read_text(encoding='utf-8')))} == {}
