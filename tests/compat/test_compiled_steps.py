"""mmengine's `compile=True` trains, and to the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper

from fec_mm import compat
from tests.engine.small import make_runner


def test_a_compiled_step_ends_with_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OptimWrapper, 'update_params', OptimWrapper.update_params)  # put back at the end
    ends = []
    for cfg in (Config(), Config(dict(compile=dict(backend='eager')))):
        compat.leave_optimizers_uncompiled(cfg)
        torch.manual_seed(0)
        wrapper = dict(
            optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01), paramwise_cfg=dict(bias_decay_mult=0.0)
        )
        runner = make_runner(tmp_path / str(len(ends)), epochs=1, optim_wrapper=wrapper, cfg=cfg)
        ends.append(runner.train().state_dict())
    torch.testing.assert_close(*ends)
