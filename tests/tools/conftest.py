"""Each toolbox's tiny model, trained once for all tests of the tools."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

from fec_mm.apis import train
from fec_mm.apis.explain import explain

from .tiny import make_config, make_data


@pytest.fixture(scope='session', autouse=True)
def _one_thread() -> None:
    # On a busy machine the threads of a tiny model wait for each other ten times as long as they compute.
    torch.set_num_threads(1)


@pytest.fixture(scope='session', autouse=True)
def _plain_configs() -> Iterator[None]:
    # mmengine formats the whole config with yapf five times a run, which takes longer than these trainings.
    with patch('mmengine.config.config.FormatCode', lambda text, **_: (text, False)):
        yield


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
