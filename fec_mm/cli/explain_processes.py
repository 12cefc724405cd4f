"""One line for what goes wrong between several processes."""

from __future__ import annotations

import re
import signal
from typing import Any

# What a process reads when another one went away: gloo's transport, NCCL's watchdog.
BROKEN = re.compile(
    r'gloo/transport/\S+\] *(Connection closed|Connection reset|Read error|Write error|Broken pipe)'
    r'|remote process exited',
    re.IGNORECASE,
)


def explain_processes(error: BaseException, text: str) -> str | None:
    """What went wrong, and what to do, in one line.

    Args:
        error: A caught exception.
        text: Its message.

    Returns:
        The line, or None for another kind of exception.
    """
    kind = type(error).__name__
    if kind == 'ChildFailedError':  # torch/distributed/elastic/multiprocessing/errors/__init__.py
        failure: Any = error
        codes = {rank: each.exitcode for rank, each in failure.failures.items()}
        return _dead_process(codes, failure.get_first_failure()[0])
    if kind == 'SignalException':  # torch/distributed/elastic/multiprocessing/api.py
        return f'the launcher got {error.sigval.name} and stopped its processes'  # type: ignore[attr-defined]
    if kind == 'DistNetworkError' and 'EADDRINUSE' in text:
        port = re.search(r'port: (\d+)', text)
        return (
            f'port {port[1] if port else ""} of this machine is taken, perhaps by another training: '
            'give a free one, PORT=29501 bash tools/dist_train.sh ...'
        )
    came = re.search(r'waiting for clients\. (\d+)/(\d+) clients joined', text)
    if came and kind == 'DistStoreError':  # torch/csrc/distributed/c10d/TCPStore.cpp
        return (
            f'of {came[2]} that were to come {came[1]} came in time: start the others, too, all with the same NNODES, '
            'MASTER_ADDR and PORT, each with its own NODE_RANK'
        )
    silent = re.search(r'timed out .* connect to \((\S+), (\d+)\)', text)
    if silent and kind == 'DistNetworkError':
        return (
            f'nobody answered at MASTER_ADDR={silent[1]}, port {silent[2]}: start the first node, and see whether it '
            f'has '
            'that address, and whether MASTER_ADDR and PORT are the same everywhere'
        )
    if isinstance(error, RuntimeError) and BROKEN.search(text):
        return (
            'another process went away, and this one cannot go on without it: see what that one, or its machine, says'
        )
    return None


def _dead_process(exitcodes: dict[int, int], first: int) -> str:
    """Of the processes of this machine that ended, by rank, which one was the cause, and how to go on.

    Those that torchrun stopped have SIGTERM; and one that was killed did not end because of the others.
    """
    killed = [rank for rank, code in exitcodes.items() if code < 0 and code != -signal.SIGTERM]
    rank = killed[0] if killed else first
    code = exitcodes[rank]
    if code > 0:
        return f'process {rank} failed (exit code {code}; its message is above) and the others were stopped'
    name = signal.Signals(-code).name
    memory = ', as the system does when memory runs out (see dmesg)' if name == 'SIGKILL' else ''
    return (
        f'process {rank} was killed by {name}{memory}, and the others were stopped: '
        'a training continues from its last checkpoint with --resume'
    )
