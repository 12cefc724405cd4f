"""Each toolbox's tiny model, trained once for all tests of the tools."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fec_mm.cli import train
from fec_mm.cli.explain import explain

from .tiny import make_config, make_data


@pytest.fixture(scope='session')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny data."""
    path = tmp_path_factory.mktemp('tiny')
    make_data(path)
    return path


@pytest.fixture(scope='session')
def trained(root: Path) -> Callable[[str], tuple[Path, Path]]:
    """Of a toolbox: config and work dir of a finished training of two epochs."""
    done: dict[str, tuple[Path, Path]] = {}

    def get(scope: str) -> tuple[Path, Path]:
        if scope not in done:
            config, work_dir = make_config(root, scope), root / f'work_{scope}'
            train.main([str(config), '--work-dir', str(work_dir)])
            done[scope] = config, work_dir
        return done[scope]

    return get


@pytest.fixture
def failure() -> Callable[..., str]:
    """The line that a tool's `main` ends with when it fails on bad input; any other end fails the test."""

    def run(main: Callable[[list[str]], object], *argv: object) -> str:
        try:
            main([str(a) for a in argv])
        except Exception as error:
            line = explain(error)
            if line is None:
                raise
            assert '\n' not in line
            return line
        raise AssertionError('the tool accepted bad input')

    return run
