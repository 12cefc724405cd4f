"""Several processes: how they are started, and one line for what goes wrong between them."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fec_mm.errors import UserError

if TYPE_CHECKING:
    from mmengine.config import Config

# By --launcher: a variable that each of its processes has (mmengine/dist/utils.py reads it), and what starts them.
STARTERS = {
    'pytorch': ('RANK', 'tools/dist_train.sh or torchrun'),
    'slurm': ('SLURM_PROCID', 'tools/slurm_train.sh or srun'),
    'mpi': ('OMPI_COMM_WORLD_RANK', 'mpirun'),
}

# What a process reads when another one went away: gloo's transport, NCCL's watchdog.
BROKEN = re.compile(
    r'gloo/transport/\S+\] *(Connection closed|Connection reset|Read error|Write error|Broken pipe)'
    r'|remote process exited',
    re.IGNORECASE,
)


def check_launcher(launcher: str) -> None:
    """Make sure that this process was started by what `--launcher` says.

    Raises:
        UserError: it was not, or Slurm cannot say where the first process is.
    """
    if launcher == 'none':
        return
    variable, starter = STARTERS[launcher]
    if variable not in os.environ:
        raise UserError(
            f'--launcher {launcher} is for processes that {starter} starts, and {variable} is not set: start them so'
        )
    if launcher == 'slurm' and 'MASTER_ADDR' not in os.environ and shutil.which('scontrol') is None:
        raise UserError(
            '--launcher slurm asks scontrol for the first node, and PATH has none: set MASTER_ADDR to its name'
        )


def check_agreement(cfg: Config) -> None:
    """Make sure that all processes were started with the same config; the seed is part of it. Folders may differ.

    Raises:
        UserError: naming a process that has another one than most, and the first setting that differs.
    """
    from mmengine.dist import all_gather_object

    settings = dict(_flatten(cfg._cfg_dict.to_dict()))
    settings['load_from'] = repr(
        os.path.basename(cfg.get('load_from') or '')
    )  # each has looked for the last checkpoint itself
    digests = all_gather_object(hashlib.sha256(repr(sorted(settings.items())).encode()).hexdigest())
    usual = max(digests, key=digests.count)  # of equally frequent ones the first process's
    if digests.count(usual) == len(digests):
        return
    everybody = all_gather_object(settings)
    rank = next(rank for rank, digest in enumerate(digests) if digest != usual)
    theirs, ours = everybody[rank], everybody[digests.index(usual)]
    key = min(key for key in {*theirs, *ours} if theirs.get(key) != ours.get(key))
    raise UserError(
        f'process {rank} has another config than process {digests.index(usual)}: {key} is {theirs.get(key)} instead '
        f'of {ours.get(key)}: start all processes with the same files and options'
    )


def _flatten(node: Any, name: str = '') -> Iterator[tuple[str, str]]:
    """Settings by their dotted names; without those that name a file or folder, which may be elsewhere on each
    machine."""
    if isinstance(node, (dict, list, tuple)) and node:
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _flatten(child, f'{name}.{key}' if name else str(key))
    elif not (isinstance(node, str) and os.sep in node):
        yield name, re.sub(r' at 0x[0-9a-f]+', '', repr(node))  # functions and objects have an address


def explain_processes(error: BaseException, text: str) -> str | None:
    """What went wrong, and what to do, in one line.

    Args:
        error: a caught exception.
        text: its message.

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
