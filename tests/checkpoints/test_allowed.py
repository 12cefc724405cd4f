"""What loads weights-only, and what does not."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler import OneCycleLR

from fec_mm import compat


def history() -> HistoryBuffer:
    return HistoryBuffer([0.5, 0.25], [1, 2])


def test_mmengine_records_load_weights_only(tmp_path: Path) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    schedule = OneCycleLR(optimizer, eta_max=1.0, total_steps=9).state_dict()
    values = [
        np.bool_(True),
        np.int64(3),
        np.float32(0.5),
        np.float64(0.25),
        np.arange(3, dtype=np.uint8),
        np.array(['a']),
    ]
    torch.save({'hub': history(), 'schedule': schedule, 'values': values}, tmp_path / 'x.pth')
    compat.allow_checkpoint_globals()
    loaded = torch.load(tmp_path / 'x.pth', weights_only=True)
    assert loaded['hub'].mean() == history().mean() == 0.25  # of 3 counts
    assert loaded['schedule'] == schedule
    for value, given in zip(loaded['values'], values):
        assert type(value) is type(given)
        assert value.dtype == given.dtype
        np.testing.assert_array_equal(value, given)


def rename_in_pickle(path: Path, old: bytes, new: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, 'w') as archive:
        for name, data in content.items():
            archive.writestr(name, data.replace(old, new) if name.endswith('data.pkl') else data)


def test_records_of_the_other_numpy_load(tmp_path: Path) -> None:
    torch.save({'hub': history(), 'best': np.float64(7)}, tmp_path / 'x.pth')
    here, there = b'numpy._core.multiarray', b'numpy.core.multiarray'
    if np.__version__.startswith('1.'):
        here, there = there, here
    rename_in_pickle(tmp_path / 'x.pth', here, there)
    compat.allow_checkpoint_globals()
    loaded = torch.load(tmp_path / 'x.pth', weights_only=True)
    assert (loaded['hub'].max(), loaded['best']) == (0.5, 7)


class Names:
    """Pickles as `getattr(owner, name)`."""

    def __init__(self, owner: Any, name: str) -> None:
        self.owner, self.name = owner, name

    def __reduce__(self) -> tuple:
        return getattr, (self.owner, self.name)


class Calls:
    """Pickles as `function(*arguments)`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize(
    'evil',
    [
        Names(np.ndarray, 'tofile'),
        Names(HistoryBuffer, '__init__'),
        Names(OneCycleLR, 'step'),
        Calls(os.getcwd),
        Calls(eval, '1'),
        Calls(HistoryBuffer.register_statistics, print),
    ],
    ids=str,
)
def test_loading_stays_weights_only(tmp_path: Path, evil: Any) -> None:
    torch.save({'x': evil}, tmp_path / 'x.pth')
    compat.allow_checkpoint_globals()
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / 'x.pth', weights_only=True)
