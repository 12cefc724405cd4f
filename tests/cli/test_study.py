"""Runs of a study keep their settings, and say why they failed."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config

from fec_mm.cli.study import begin_run, run_step
from fec_mm.errors import UserError


def test_a_run_has_one_config(tmp_path: Path) -> None:
    cfg = Config(dict(a=1, b=dict(c=[1, 2])))
    file = begin_run(tmp_path / 'run', cfg)
    assert Config.fromfile(file).to_dict() == cfg.to_dict()
    assert begin_run(tmp_path / 'run', cfg) == file
    with pytest.raises(UserError, match='run is of other settings: choose another --work-dir, or remove it'):
        begin_run(tmp_path / 'run', Config(dict(a=2)))
    assert Config.fromfile(file).a == 1


def test_a_tool_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'tools/train\.py failed in .*: error: config nowhere\.py does not exist'):
        run_step(tmp_path / 'new', 'train.py', 'nowhere.py')
