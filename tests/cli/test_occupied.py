"""One training at a time in a folder."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NoReturn

import pytest

from fec_mm.cli.occupied import LOCK, occupied
from fec_mm.errors import UserError

HOLDER = """
import os, sys, time
from fec_mm.cli.occupied import occupied
with occupied(sys.argv[1]):
    if os.fork() == 0:  # as a worker of a loader, which outlives it
        print('ready', os.getpid(), flush=True)
        time.sleep(60)
        os._exit(0)
    time.sleep(60)
"""


def hold(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """A process that has the folder, and its child."""
    holder = subprocess.Popen(
        [sys.executable, '-c', textwrap.dedent(HOLDER), str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    return holder, int(holder.stdout.readline().split()[1])


def test_a_folder_in_use_is_refused_and_free_after_a_kill(tmp_path: Path) -> None:
    holder, child = hold(tmp_path / 'work')
    try:
        says = (
            rf'work is in use by another training \(process {holder.pid} of .*, since 20.*\): wait for it, or choose '
            rf'another '
            r'--work-dir; if there is none, remove .*work/\.in_use'
        )
        with pytest.raises(UserError, match=says), occupied(tmp_path / 'work'):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        for _ in range(2):  # its child lives; and again after oneself
            with occupied(tmp_path / 'work') as note:
                assert note is None
                assert f'process {os.getpid()} of ' in (tmp_path / 'work' / LOCK).read_text()
    finally:
        holder.kill()
        os.kill(child, signal.SIGKILL)


def test_where_there_are_no_locks_it_is_used_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise OSError(errno.ENOLCK, 'No locks available')

    monkeypatch.setattr(fcntl, 'lockf', refuse)
    with occupied(tmp_path) as note:
        assert (
            note
            == f'{tmp_path} cannot be locked (No locks available): start no other training in it while this one runs'
        )


def test_the_lock_of_another_user_is_no_reason_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that a group shares: the file that a colleague's training left cannot be opened to write."""
    (tmp_path / LOCK).touch()

    def refuse(*_: object) -> NoReturn:
        raise PermissionError(errno.EACCES, 'Permission denied')

    monkeypatch.setattr(os, 'open', refuse)
    with occupied(tmp_path) as note:
        assert (
            note
            == f'{tmp_path} cannot be locked (Permission denied): start no other training in it while this one runs'
        )
    (tmp_path / LOCK).unlink()
    with pytest.raises(PermissionError), occupied(tmp_path):  # the folder itself
        pass


def test_other_processes_of_the_same_training_do_not_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('fec_mm.cli.occupied.is_main_process', lambda: False)
    with occupied(tmp_path):
        assert not (tmp_path / LOCK).exists()
