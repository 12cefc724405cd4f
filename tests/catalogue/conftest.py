"""Data and checkpoints that the cases damage copies of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fec_mm.apis import get_model
from tests.tools.tiny import make_data

from .case import Place, write_config


@pytest.fixture(scope='session')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four images."""
    path = tmp_path_factory.mktemp('catalogue')
    make_data(path, 4)
    return path


@pytest.fixture(scope='session')
def checkpoints(root: Path) -> Callable[[str], Path]:
    """Of a toolbox: a checkpoint of its tiny model."""

    def get(scope: str) -> Path:
        path = root / f'{scope}.pth'
        if not path.is_file():
            place = Place(root, scope, path)
            write_config(place)
            torch.manual_seed(0)
            model = get_model(place.config, device='cpu')
            torch.save({'meta': {'dataset_meta': model.dataset_meta}, 'state_dict': model.state_dict()}, path)
        return path

    return get
