"""Checkpoints of other models, through mmengine's own loading."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner

from fec_mm.engine import StrictLoadHook
from fec_mm.errors import UserError


class Model(BaseModel):
    """Two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = torch.nn.Linear(2, 3)
        self.norm = torch.nn.BatchNorm1d(3)

    def forward(self, inputs: torch.Tensor, mode: str = 'tensor') -> torch.Tensor:
        return self.norm(self.backbone(inputs))


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    runner = Runner(model=Model(), work_dir=str(tmp_path), default_scope='mmengine', log_level='ERROR')
    runner.register_hook(StrictLoadHook('x.pth'))
    return runner


def load(runner: Runner, state: dict, path: Path) -> None:
    torch.save({'state_dict': state}, path)
    runner.load_checkpoint(str(path))


@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_own_checkpoint_loads(runner: Runner, tmp_path: Path, prefix: str) -> None:
    other = Model().state_dict()
    load(runner, {prefix + key: value for key, value in other.items()}, tmp_path / 'x.pth')
    assert all(torch.equal(value, other[key]) for key, value in runner.model.state_dict().items())


def test_differences_are_counted(runner: Runner, tmp_path: Path) -> None:
    state = Model().state_dict()
    state['backbone.weight'] = torch.zeros(3, 4)
    state['head.fc.bias'] = state.pop('backbone.bias')
    with pytest.raises(
        UserError,
        match=r'^checkpoint x\.pth is of another model: 1 missing \(backbone\.bias\); '
        r'1 unknown \(head\.fc\.bias\); 1 of another shape '
        r'\(backbone\.weight: \(3, 4\) instead of \(3, 2\)\): use the config that it was trained with$',
    ):
        load(runner, state, tmp_path / 'x.pth')


def test_foreign_names_point_to_the_converter(runner: Runner, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'convert_released\.py'):
        load(runner, {'network.0.0.norm1.weight': torch.zeros(1)}, tmp_path / 'x.pth')


def test_counters_of_old_batch_norms_may_be_missing(runner: Runner, tmp_path: Path) -> None:
    load(runner, {k: v for k, v in Model().state_dict().items() if 'num_batches' not in k}, tmp_path / 'x.pth')
