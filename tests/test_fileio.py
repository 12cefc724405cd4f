"""Files are written whole or not at all."""
from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest
from mmengine.fileio import get_file_backend
from mmengine.runner import save_checkpoint

from fec_mm.fileio import AtomicBackend


def test_mmengine_finds_it() -> None:
    assert type(get_file_backend(backend_args=dict(backend=AtomicBackend.name))) is AtomicBackend


def test_writes_and_makes_folders(tmp_path: Path) -> None:
    AtomicBackend().put(b'abc', tmp_path / 'a/b.bin')
    AtomicBackend().put(b'd', tmp_path / 'a/b.bin')
    assert (tmp_path / 'a/b.bin').read_bytes() == b'd'
    assert os.listdir(tmp_path / 'a') == ['b.bin']


@pytest.mark.parametrize('step', ['fsync', 'replace'])
def test_old_file_survives_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    target = tmp_path / 'epoch_1.pth'
    target.write_bytes(b'old')
    monkeypatch.setattr(os, step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint({'x': 1}, str(target), backend_args=dict(backend=AtomicBackend.name))
    assert target.read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['epoch_1.pth']
