"""Files are written whole or not at all."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import pytest
from mmengine.fileio import get_file_backend
from mmengine.runner import save_checkpoint

from fec_mm.fileio import AtomicBackend, remove_leftovers


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


def test_leftovers_of_dead_processes_are_removed_and_no_others(tmp_path: Path) -> None:
    """A second training in the folder must not take the first one's file away while it is being written."""
    living, dead = (subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE) for _ in range(2))
    dead.communicate(b'\n')
    here, elsewhere = socket.gethostname(), 'another.machine'
    names = {
        f'.epoch_1.pth.{living.pid}@{here}.part': True,
        f'.epoch_2.pth.{dead.pid}@{here}.part': False,
        f'.epoch_3.pth.{living.pid}.part': True,
        f'.epoch_4.pth.{dead.pid}.part': False,  # as they were called before
        f'.epoch_5.pth.{os.getpid()}@{here}.part': False,  # of an earlier process, as this one writes nothing now
        f'.epoch_6.pth.{dead.pid}@{elsewhere}.part': True,
        f'.epoch_7.pth.{dead.pid}@{elsewhere}.part': False,
        '.not.ours.part': True,
        'epoch_8.pth': True,
    }
    for name in names:
        (tmp_path / name).write_bytes(b'half')
    os.utime(tmp_path / f'.epoch_7.pth.{dead.pid}@{elsewhere}.part', (0, time.time() - 4000))
    remove_leftovers(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(name for name, stays in names.items() if stays)
    living.communicate(b'\n')


def test_what_is_being_written_is_known_as_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = []
    monkeypatch.setattr(os, 'fsync', lambda _: beside.append(os.listdir(tmp_path)))
    AtomicBackend().put(b'abc', tmp_path / 'b.bin')
    assert beside[0] == [f'.b.bin.{os.getpid()}@{socket.gethostname()}.part']
