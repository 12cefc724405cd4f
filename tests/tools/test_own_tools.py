"""The toolboxes' own tools/train.py find the backbones of a config without custom_imports, and resume."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .tiny import TASKS, make_config


@pytest.mark.slow
@pytest.mark.parametrize('scope', TASKS)
def test_own_train(root: Path, tmp_path: Path, scope: str) -> None:
    package = Path(importlib.util.find_spec(scope).submodule_search_locations[0])
    tools = [folder / 'tools/train.py' for folder in (package / '.mim', package.parent)]
    # mmpretrain's own tool keeps workers alive, and so needs one.
    workers = "train_dataloader['num_workers'] = val_dataloader['num_workers'] = 1\n"
    config = make_config(root, scope, workers, tmp_path)
    tool = next(tool for tool in tools if tool.is_file())
    command = [sys.executable, str(tool), str(config), '--work-dir', str(tmp_path / 'work')]
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    for options, epochs in ([], 2), (['--resume', '--cfg-options', 'train_cfg.max_epochs=3'], 3):
        result = subprocess.run([*command, *options], capture_output=True, text=True, env=environment, cwd=tmp_path)
        assert result.returncode == 0, result.stderr[-2000:]
        assert (tmp_path / 'work/last_checkpoint').read_text().endswith(f'epoch_{epochs}.pth')
