"""Who is waited for, when not all come."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from torch.distributed import TCPStore

from fec_mm.cli.explain import explain
from fec_mm.cli.launch import Place, _say, naming_the_missing, process_group
from tests.tools.commands import free_port


def until(condition: Any, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_who_has_not_come_is_named_by_the_first_who_has(capfd: Any) -> None:
    port = int(free_port())
    store = TCPStore('127.0.0.1', port, is_master=True, wait_for_workers=False)
    said = ''

    def heard() -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return said.count('\n') >= 2

    with (
        naming_the_missing('node', lambda: Place('127.0.0.1', port, 0, 4), after=0.5),
        naming_the_missing('node', lambda: Place('127.0.0.1', port, 2, 4), after=0.5),
    ):
        until(heard)  # after one half and one whole second
        for rank in (1, 3):
            store.set(f'fec_mm/node/{rank}', 'here')
        time.sleep(3)
    said += capfd.readouterr().err
    lines = said.splitlines()
    assert 2 <= len(lines) <= 4
    for line in lines[:2]:
        assert line.startswith('warning: waiting for node 1, 3 of 4 (counted from 0), for ')
        assert line.endswith(
            ': run the same command there, with its own NODE_RANK, and with the NNODES, MASTER_ADDR and PORT of '
            'this one'
        )


@pytest.mark.parametrize(('address', 'why'), [('127.0.0.1', 'Connection refused'), ('no-such-host.invalid', '')])
@pytest.mark.parametrize('rank', [0, 1])
def test_an_address_that_does_not_answer(capfd: Any, address: str, why: str, rank: int) -> None:
    port = int(free_port())
    said = ''

    def heard() -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return bool(said)

    with naming_the_missing('node', lambda: Place(address, port, rank, 2), after=0.2):
        until(heard)
    who = 'this is node 0, and its own address' if rank == 0 else 'node 1 waits for node 0, whose address'
    assert said.startswith(f'warning: {who}, MASTER_ADDR={address}, does not answer at port {port} ({why}')
    assert 'socket.cpp' not in said


def test_nothing_is_said_of_those_who_come_soon(capfd: Any) -> None:
    port = int(free_port())
    store = TCPStore('127.0.0.1', port, is_master=True, wait_for_workers=False)
    with naming_the_missing('process', lambda: Place('127.0.0.1', port, 0, 1), after=0.5):
        until(lambda: store.check(['fec_mm/process/0']))
        time.sleep(1)
    with process_group('none'):
        pass
    assert capfd.readouterr().err == ''


def test_the_line_does_not_grow_with_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    line, speaks = _say('process', Place('node1', 29500, 0, 64), list(range(1, 64)), '')
    assert line == 'waiting for process 1, 2, 3, 4, 5, 6, 7, 8 and 55 more of 64 (counted from 0)'
    assert speaks
    monkeypatch.setenv('LOCAL_RANK', '1')  # one of each machine says that there is no store
    assert not _say('process', Place('node1', 29500, 1, 64), [], 'Connection refused')[1]


def test_when_torch_gives_up_it_is_one_line() -> None:
    port = int(free_port())
    with pytest.raises(RuntimeError) as caught:
        TCPStore('127.0.0.1', port, 2, True, timedelta(seconds=1))
    assert (explain(caught.value) or '').startswith('of 2 that were to come 1 came in time: start the others, too')
    with pytest.raises(RuntimeError) as caught:
        TCPStore('127.0.0.1', int(free_port()), 2, False, timedelta(seconds=1))
    assert (explain(caught.value) or '').startswith('nobody answered at MASTER_ADDR=127.0.0.1, port ')
