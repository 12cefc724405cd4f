"""What goes wrong between processes, in one line."""

from __future__ import annotations

import contextlib
import signal
import socket
from pathlib import Path

import pytest
from mmengine.config import Config
from torch.distributed import TCPStore
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from fec_mm.cli.explain import explain
from fec_mm.cli.processes import check_agreement, check_launcher
from fec_mm.errors import UserError


def line(exitcodes: dict[int, int]) -> str:
    """What the launcher says of processes that ended, in the order that torchrun noticed it."""
    failures = {rank: ProcessFailure(rank, 100 + rank, code, 'none') for rank, code in exitcodes.items()}
    for time, failure in enumerate(failures.values()):
        failure.timestamp = time
    return explain(ChildFailedError('train.py', failures)) or ''


def test_the_process_that_died_first_is_named() -> None:
    assert line({3: 1, 0: -signal.SIGTERM, 1: -signal.SIGTERM}).startswith('process 3 failed (exit code 1; ')
    assert line({1: 1, 0: 1}).startswith('process 1 failed (exit code 1; ')


def test_a_kill_is_the_cause_of_failures_noticed_before_it() -> None:
    assert line({0: 1, 2: -signal.SIGKILL, 1: -signal.SIGTERM}).startswith(
        'process 2 was killed by SIGKILL, as the system does'
    )
    assert line({0: -signal.SIGSEGV}).startswith(
        'process 0 was killed by SIGSEGV, and the others were stopped: a training'
    )
    assert line({0: -signal.SIGTERM, 1: -signal.SIGTERM}).startswith('process 0 was killed by SIGTERM, and')


@pytest.mark.parametrize(
    'text',
    [
        '[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:32677. GLHF!',
        '[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection reset by peer',
        'NCCL error in: NCCLUtils.cpp:94\nncclRemoteError: A call failed possibly due to a network error or a '
        'remote process exited prematurely.',
    ],
)
def test_whoever_lost_another_process_does_not_show_a_traceback(text: str) -> None:
    assert (explain(RuntimeError(text)) or '').startswith('another process went away')
    assert explain(RuntimeError(f'closed: {text[:20]}')) is None


def test_signal_to_the_launcher() -> None:
    assert (
        explain(SignalException('Process 1 got signal: 15', sigval=signal.SIGTERM))
        == 'the launcher got SIGTERM and stopped its processes'
    )


def test_port_that_is_taken() -> None:
    with socket.socket() as s:
        s.bind(('', 0))
        s.listen()
        port = s.getsockname()[1]
        with pytest.raises(RuntimeError) as caught:
            TCPStore('127.0.0.1', port, is_master=True)
    assert (explain(caught.value) or '').startswith(f'port {port} of this machine is taken')


def test_launchers_that_did_not_launch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK', 'MASTER_ADDR'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('PATH', str(tmp_path))
    check_launcher('none')
    for launcher, starter in {
        'pytorch': r'tools/dist_train\.sh',
        'slurm': r'tools/slurm_train\.sh',
        'mpi': 'mpirun',
    }.items():
        with pytest.raises(UserError, match=f'--launcher {launcher} is for processes that {starter}'):
            check_launcher(launcher)
    monkeypatch.setenv('RANK', '0')
    check_launcher('pytorch')
    monkeypatch.setenv('SLURM_PROCID', '0')
    with pytest.raises(UserError, match='scontrol'):
        check_launcher('slurm')
    monkeypatch.setenv('MASTER_ADDR', 'node1')
    check_launcher('slurm')


def test_processes_that_would_continue_from_different_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each looks for the last one itself; the folder may differ, as other paths may."""

    def settings(load_from: str | None) -> list[object]:
        """What a process tells the others: the digest, then the settings, as they differ."""
        told: list[object] = []
        monkeypatch.setattr(
            'fec_mm.cli.processes.all_gather_object', lambda value: told.append(value) or [value, 'another']
        )
        with contextlib.suppress(AttributeError):
            check_agreement(Config(dict(load_from=load_from)))
        return told

    def meet(*load_from: str | None) -> None:
        everybody = [settings(path) for path in load_from]
        rounds = iter(zip(*everybody))
        monkeypatch.setattr('fec_mm.cli.processes.all_gather_object', lambda _: list(next(rounds)))
        check_agreement(Config(dict(load_from=load_from[0])))

    meet('/a/epoch_3.pth', '/b/epoch_3.pth')
    with pytest.raises(
        UserError, match=r"process 1 has another config .*: load_from is 'epoch_2.pth' instead of 'epoch_3"
    ):
        meet('/a/epoch_3.pth', '/b/epoch_2.pth')
    with pytest.raises(UserError, match=r"load_from is '' instead of 'epoch_3.pth'"):
        meet('/a/epoch_3.pth', None)
