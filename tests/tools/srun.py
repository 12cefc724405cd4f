"""Slurm's commands on a machine without Slurm, which tests put on PATH: `srun` records its call or obeys it, and
`scontrol`.

The call is written as JSON to the file that SRUN_RECORD names. Without it, --ntasks processes are started on this
machine, and stopped when one fails, as --kill-on-bad-exit asks for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def install(folder: Path) -> Path:
    """Write the commands `srun` and `scontrol` to a new folder `folder/bin`, and return it."""
    (folder / 'bin').mkdir()
    for name, script in {'srun': f'exec {sys.executable} {__file__} "$@"', 'scontrol': 'echo 127.0.0.1'}.items():
        path = folder / 'bin' / name
        path.write_text(f'#!/bin/sh\n{script}\n')
        path.chmod(0o755)
    return folder / 'bin'


def start(options: list[str], command: list[str]) -> int:
    """Run the command as often as --ntasks says, and return the exit code of the first that fails, or 0."""
    tasks = next(int(option.split('=')[1]) for option in options if option.startswith('--ntasks='))
    processes = [
        subprocess.Popen(
            command,
            env={
                **os.environ,
                'SLURM_PROCID': str(i),
                'SLURM_LOCALID': str(i),
                'SLURM_NTASKS': str(tasks),
                'SLURM_NODELIST': 'node[1-2]',
            },
        )
        for i in range(tasks)
    ]
    while not (failed := [code for process in processes if (code := process.poll())]):
        if all(process.poll() == 0 for process in processes):
            return 0
        time.sleep(0.2)
    for process in processes:
        process.terminate()
        process.wait()
    return abs(failed[0])


if __name__ == '__main__':
    split = sys.argv.index('python')
    options, command = sys.argv[1:split], sys.argv[split:]
    if 'SRUN_RECORD' in os.environ:
        Path(os.environ['SRUN_RECORD']).write_text(json.dumps([options, command]))
        sys.exit(7)
    sys.exit(start(options, command))
