"""Tools run as commands, and what they wrote."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from fec_mm import compat

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def run(*command: object, folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, by default the root of the repository; its `python` is this one, and it can import the
    modules of this folder."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
    modules = os.pathsep.join([str(HERE), *filter(None, [os.environ.get('PYTHONPATH')])])
    return subprocess.run(
        [str(c) for c in command],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=300,
        env={**os.environ, 'PATH': path, 'PYTHONPATH': modules, 'OMP_NUM_THREADS': '1', **environment},
        check=False,
    )


def tool(path: str) -> ModuleType:
    """A file of tools/ as a module."""
    file = HERE.parents[1] / 'tools' / path
    spec: Any = importlib.util.spec_from_file_location(f'tools_{file.stem}', file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses are looked up
    spec.loader.exec_module(module)
    return module


def free_port() -> str:
    """A port that nothing listens on."""
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return str(s.getsockname()[1])


def load(path: Path) -> dict:
    """A checkpoint."""
    compat.allow_checkpoint_globals()
    content: dict = torch.load(path, map_location='cpu', weights_only=True)
    return content
