"""The models of the configs are the papers': their sizes, and the released checkpoints they load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from fec_mm.checkpoints.released import convert
from fec_mm.device.recordings import released_state
from fec_mm.models import FAMILIES

BASE = Path(__file__).parents[1] / 'configs' / '_base_' / 'models'


def build(name: str, scope: str, **backbone: object) -> Any:
    cfg = Config.fromfile(BASE / f'{name}.py')
    cfg.model.backbone.update(backbone)
    __import__(scope)
    with DefaultScope.overwrite_default_scope(scope):
        return MODELS.build(cfg.model)


@pytest.mark.parametrize(
    ('name', 'scope', 'arch', 'dims', 'params'),
    [
        ('fec_classifier', 'mmpretrain', 'small', (32, 64, 196, 320), 5_727_528),
        ('mask-rcnn_fec_fpn', 'mmdet', 'small', (32, 64, 196, 320), 25_469_048),
        ('fec_fpn', 'mmseg', 'small', (32, 64, 196, 320), 9_568_286),
    ],
)
def test_sizes_of_the_papers_models(name: str, scope: str, arch: str, dims: tuple[int, ...], params: int) -> None:
    model = build(name, scope)
    assert sum(p.numel() for p in model.parameters()) == params
    assert model.backbone.stages[0][0].norm1.num_channels == dims[0]


def test_released_classifier_loads_strictly() -> None:
    model = build('fec_classifier', 'mmpretrain')
    state = convert(released_state('fec_small_cls'), FAMILIES).state_dict
    model.load_state_dict(state, strict=True)
    assert torch.equal(model.head.fc.bias, state['head.fc.bias'])


@pytest.mark.parametrize(('name', 'scope'), [('mask-rcnn_fec_fpn', 'mmdet'), ('fec_fpn', 'mmseg')])
def test_released_classifier_initialises_dense_models(name: str, scope: str, tmp_path: Path) -> None:
    state = convert(released_state('fec_small_cls'), FAMILIES).state_dict
    torch.save({'state_dict': state}, tmp_path / 'fec.pth')
    model = build(
        name, scope, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'fec.pth'), prefix='backbone.')
    )
    model.init_weights()
    loaded = model.backbone.state_dict()
    assert all(
        torch.equal(loaded[key.removeprefix('backbone.')], value) for key, value in state.items() if 'head' not in key
    )
