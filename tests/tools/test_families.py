"""What lists FEC lists its successors: names, costs, plans, predictions, the probe, and the form for deployment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config

from fec_mm.apis import FECInferencer, get_model, list_models
from fec_mm.apis.models import seeded_model
from fec_mm.device.recordings import telling_weights
from fec_mm.evaluation.features import default_layers, record_features
from fec_mm.evaluation.training_cost import cost
from fec_mm.visualization.inputs import TestPipeline
from fec_mm.visualization.look import look_at

from .commands import tool

ROOT = Path(__file__).parents[2]
NEW = pytest.mark.parametrize('family', ['enformer', 'cluenet'])


@pytest.fixture
def checkpoint(family: str, tmp_path: Path) -> tuple[Path, Path]:
    """Config of the small classifier of a family, and weights under which its clusters matter."""
    config = ROOT / f'configs/quickstart/classification_{family}.py'
    model = seeded_model(Config.fromfile(config), None)
    telling_weights(model.backbone)
    torch.save(
        {'state_dict': model.state_dict(), 'meta': {'dataset_meta': {'classes': list('abcdefghij')}}},
        path := tmp_path / 'x.pth',
    )
    return config, path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'image.png')
    return tmp_path / 'image.png'


@NEW
def test_names(family: str) -> None:
    for task in ('classification', 'detection', 'segmentation'):
        assert len(list_models(task, f'*{family}*')) >= 2


@NEW
def test_costs(family: str) -> None:
    size = {'enformer': 'small', 'cluenet': 'tiny'}[family]
    (name,) = list_models('classification', f'{family}-{size}*')
    found = cost(get_model(name, device='cpu').cfg, (3, 64, 64), memory=False)
    assert found.parameters == {'enformer': 8_531_184, 'cluenet': found.parameters}[family]
    assert found.gradients <= 4 * found.parameters and found.multiply_adds > 5e7


@NEW
def test_predicts_and_shows_what_it_clusters(family: str, checkpoint: tuple[Path, Path], image: Path) -> None:
    config, weights = checkpoint
    (found,) = FECInferencer('classification', str(config), str(weights), device='cpu')(str(image))
    assert found['pred_class'] in 'abcdefghij'
    cfg = Config.fromfile(config)
    look = look_at(str(image), seeded_model(cfg, str(weights)), TestPipeline(cfg))
    assert int(look.logits.argmax()) == found['pred_label']
    assert bool(look.levels()) == (family == 'cluenet') and bool(look.record.confidences) == (family == 'enformer')


@NEW
def test_probed_layers(family: str, checkpoint: tuple[Path, Path]) -> None:
    model: Any = seeded_model(Config.fromfile(checkpoint[0]), None)
    layers = default_layers(model)
    assert layers == [*(f'backbone.stages.{i}' for i in range(4)), 'head']
    images, maps = torch.randn(2, 3, 48, 48), {}
    for i, stage in enumerate(model.backbone.stages):
        stage[-1].register_forward_hook(
            lambda _m, _i, out, i=i: maps.update({i: out[0] if isinstance(out, tuple) else out})
        )
    with torch.no_grad(), record_features(model, layers) as record:
        model.head.fc(model.extract_feat(images)[-1])
    for i in range(4):
        torch.testing.assert_close(record[f'backbone.stages.{i}'], maps[i].mean((1, 2)))


@pytest.mark.parametrize('family', ['enformer'])
def test_fused_by_the_tool(checkpoint: tuple[Path, Path], image: Path, tmp_path: Path) -> None:
    config, weights = checkpoint
    tool('model_converters/fuse.py').main([str(config), str(weights), str(tmp_path / 'fused.pth')])
    cfg = Config.fromfile(config)
    before = get_model(cfg, str(weights), 'cpu')
    cfg.model.backbone.deploy = True
    after = get_model(cfg, str(tmp_path / 'fused.pth'), 'cpu')
    images = torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        torch.testing.assert_close(after(images, mode='tensor'), before(images, mode='tensor'))
    assert after.dataset_meta['classes'] == list('abcdefghij')
