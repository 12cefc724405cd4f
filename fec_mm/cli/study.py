"""Runs of a study: each in a folder of its own, by the tools that one would call by hand, continued after a stop."""

from __future__ import annotations

import json
from pathlib import Path

from mmengine.config import Config

from fec_mm.apis.models import project_folder
from fec_mm.errors import UserError
from fec_mm.fileio import write_whole

from .jobs import run_tool


def begin_run(folder: Path, cfg: Config) -> Path:
    """Write the config of a run to `folder/config.py`, whose path is returned.

    Raises:
        UserError: The folder is of other settings.
    """
    file, record = folder / 'config.py', folder / 'settings.json'
    settings = json.dumps(cfg.to_dict(), sort_keys=True)  # with all that it inherits
    if record.is_file() and record.read_text() != settings:
        raise UserError(f'{folder} is of other settings: choose another --work-dir, or remove it')
    write_whole(file, cfg.pretty_text)
    write_whole(record, settings)
    return file


def run_step(folder: Path, tool: str, *arguments: object) -> None:
    """Run a tool of the project with one thread; what it says goes to `folder/log`.

    Args:
        folder: Of the run.
        tool: Its path in `tools`.
        arguments: Its command line.

    Raises:
        UserError: It failed; the last line of what it said.
    """
    log = folder / 'log'
    folder.mkdir(parents=True, exist_ok=True)
    if run_tool(log, project_folder() / 'tools' / tool, *arguments):
        raise UserError(f'tools/{tool} failed in {folder}: {log.read_text().strip().splitlines()[-1]}')
