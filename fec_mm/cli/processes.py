"""Several processes: how they are started, and that all have the same config."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.dist import all_gather_object

from fec_mm.errors import UserError

# By --launcher: a variable that each of its processes has (mmengine/dist/utils.py reads it), and what starts them.
STARTERS = {
    'pytorch': ('RANK', 'tools/dist_train.sh or torchrun'),
    'slurm': ('SLURM_PROCID', 'tools/slurm_train.sh or srun'),
    'mpi': ('OMPI_COMM_WORLD_RANK', 'mpirun'),
}


def check_launcher(launcher: str) -> None:
    """Make sure that this process was started by what `--launcher` says.

    Raises:
        UserError: It was not, or Slurm cannot say where the first process is.
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
        UserError: Naming a process that has another one than most, and the first setting that differs.
    """
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
