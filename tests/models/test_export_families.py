"""EnFormer and CLUENet compiled, traced and exported to ONNX: equal to the models at sizes other than the first."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fec_mm.models import CLUENet, EnFormer
from fec_mm.models.backbones.staged_backbone import StagedBackbone

from .test_backbones import build

NEW = pytest.mark.parametrize('family', [CLUENet, EnFormer])


@NEW
@pytest.mark.filterwarnings('ignore:Converting a tensor')
def test_jit_trace(family: type[StagedBackbone]) -> None:
    model = build(family).double().eval()
    with torch.no_grad():
        traced = torch.jit.trace(model, torch.randn(1, 3, 70, 45, dtype=torch.float64), check_trace=False)
        images = torch.randn(2, 3, 64, 96, dtype=torch.float64)
        for got, expected in zip(traced(images), model(images)):
            torch.testing.assert_close(got, expected)


@pytest.mark.slow
@NEW
def test_onnx(family: type[StagedBackbone], tmp_path: Path) -> None:
    pytest.importorskip('onnxruntime')
    from .test_export import assert_equal_at, export

    model = build(family).eval()
    export(model, tmp_path / 'model.onnx', (96, 64))
    assert_equal_at([(96, 64), (64, 128), (105, 77), (33, 90)], tmp_path / 'model.onnx', model, several=True)


@pytest.mark.slow
@NEW
@pytest.mark.parametrize('training', [False, True])
def test_compiled(family: type[StagedBackbone], training: bool) -> None:
    torch._dynamo.reset()
    model = build(family).double().train(training)
    compiled = torch.compile(model, fullgraph=True, backend='aot_eager')
    for size in ((64, 64), (96, 80), (70, 101)):
        images = torch.randn(2, 3, *size, dtype=torch.float64)
        torch.manual_seed(0)
        got = compiled(images)
        torch.manual_seed(0)
        for g, e in zip(got, model(images)):
            torch.testing.assert_close(g, e, rtol=1e-7, atol=1e-9)
        if training:
            sum(g.square().mean() for g in got).backward()
    torch._dynamo.reset()
