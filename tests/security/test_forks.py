"""Forks of mmengine that load anything where weights-only loading fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What onedl-mmengine 0.10.12 does; where it is installed, its own function is there already.
CODE = """
import os, sys, torch
from pickle import UnpicklingError
from mmengine.runner import checkpoint

class Hostile:
    def __reduce__(self):
        return os.mkdir, ('attacked', )

def fallback(file, map_location=None, weights_only=None):
    try:
        return torch.load(file, map_location=map_location, weights_only=True)
    except UnpicklingError:
        return torch.load(file, map_location=map_location, weights_only=False)

torch.save({'state_dict': Hostile()}, 'hostile.pth')
torch.save({'state_dict': {'a': torch.ones(2)}}, 'good.pth')
if not hasattr(checkpoint, '_safe_torch_load'):
    checkpoint._safe_torch_load = fallback
if sys.argv[1] == 'mended':
    import fec_mm.registry
print(list(checkpoint._safe_torch_load('good.pth', map_location='cpu')))
try:
    checkpoint._safe_torch_load('hostile.pth')
except UnpicklingError:
    print('refused')
"""


def run(folder: Path, how: str) -> str:
    folder.mkdir()
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    command = [sys.executable, '-c', CODE, how]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, env=environment)
    return done.stdout


def test_nothing_is_run(tmp_path: Path) -> None:
    assert run(tmp_path / 'fork', 'as it is').split() == ["['state_dict']"]
    assert (tmp_path / 'fork/attacked').is_dir()  # so it is an attack
    assert run(tmp_path / 'ours', 'mended').split() == ["['state_dict']", 'refused']
    assert not (tmp_path / 'ours/attacked').exists()
