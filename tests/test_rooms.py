"""Imports run one way: from rooms above to rooms below, and within a room without a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'fec_mm'
# From below to above, as CONTRIBUTING.md lists them. A module that is no folder is a room of its own.
ROOMS = (
    'errors',
    'optional',
    'fileio',
    'wrappers',
    'ops',
    'checkpoints',
    'compat',
    'registry',
    'models',
    'timm',
    'clusters',
    'datasets',
    'toolboxes',
    'visualization',
    'evaluation',
    'engine',
    'apis',
    'cli',
    'device',
)
# Names that stay importable where they were, looked up when they are asked for.
LAZY = {'fec_mm', 'fec_mm.apis'}


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name; a package's is that of its `__init__.py`."""
    return {
        '.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__'): path
        for path in PACKAGE.rglob('*.py')
    }


def imported(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules of the package that a module imports anywhere in it."""
    package = name.split('.') if path.name == '__init__.py' else name.split('.')[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = [*base, *(node.module.split('.') if node.module else [])]
            for alias in node.names:
                both = '.'.join([*base, alias.name]), '.'.join(base)
                yield from [found for found in both if found in known][:1]


def room(name: str) -> str:
    return name.split('.')[1]


def graph() -> dict[str, set[str]]:
    known = modules()
    return {name: set(imported(name, path, known)) - {'fec_mm'} for name, path in known.items() if name not in LAZY}


def test_every_room_has_its_place() -> None:
    assert {room(name) for name in modules() if name != 'fec_mm'} == set(ROOMS)


def test_imports_point_to_rooms_below() -> None:
    wrong = [
        f'{name} imports {other}'
        for name, others in graph().items()
        for other in others
        if ROOMS.index(room(other)) > ROOMS.index(room(name))
    ]
    assert not wrong


def test_no_module_imports_itself_by_others() -> None:
    """A package counts as its parts: what its `__init__.py` gathers imports nothing that needs the package."""
    inner = {
        name: {other for other in others if room(other) == room(name)}
        for name, others in graph().items()
        if modules()[name].name != '__init__.py'
    }
    for name, others in inner.items():
        inner[name] = {other for other in others if other in inner}
    list(TopologicalSorter(inner).static_order())  # raises on a circle


def test_ops_know_no_toolbox() -> None:
    known = modules()
    for name, path in known.items():
        if room(f'{name}.') == 'ops':
            text = path.read_text()
            assert 'import mm' not in text and 'from mm' not in text
