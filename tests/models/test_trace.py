"""TorchScript, of any size, and the older exporter to ONNX, which builds on it: plain operators."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from fec_mm.device.recordings import telling_weights
from fec_mm.models import FEC, ContextCluster
from fec_mm.models.backbones.cluster_backbone import ClusterBackbone

from .test_backbones import TINY
from .test_compile import Necks

SIZES = [(96, 64), (64, 128), (105, 77), (33, 90)]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter(
            'ignore'
        )  # TracerWarnings: that sizes are numbers somewhere, which the other sizes here disprove
        yield


def model_of(
    family: type[ClusterBackbone],
    regions: tuple[int, ...],
    centers: tuple[int, ...] = (3, 2, 2, 1),
    **options: object,
) -> nn.Module:
    settings = dict(regions_per_side=regions, centers_per_side=centers, out_indices=(0, 1, 2, 3))
    model = family(TINY, **settings, **options).eval()
    telling_weights(model)
    return model.double()


def images(size: tuple[int, int]) -> torch.Tensor:
    return torch.randn(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ('family', 'regions', 'options'),
    [
        (FEC, (1, 1, 1, 1), dict()),
        (FEC, (2, 2, 1, 1), dict()),
        (FEC, (1, 1, 1, 1), dict(centers=(9, 9, 7, 7))),
        (FEC, (1, 1, 1, 1), dict(pool=dict())),
        (ContextCluster, (4, 2, 2, 1), dict()),
    ],
)
def test_traced_model_equals_the_model_at_other_sizes(
    tmp_path: Path, family: type[ClusterBackbone], regions: tuple[int, ...], options: dict
) -> None:
    model = model_of(family, regions, **options)
    with torch.no_grad():
        torch.jit.save(torch.jit.trace(model, images(SIZES[0]), check_trace=False), tmp_path / 'model.pt')
        loaded = torch.jit.load(tmp_path / 'model.pt')
        assert {node.kind().split('::')[0] for node in loaded.inlined_graph.nodes()} <= {'aten', 'prim'}
        for size in SIZES:
            given = images(size)[: 1 if size[0] % 2 else 2]  # of another batch, too
            for got, expected in zip(loaded(given), model(given)):
                torch.testing.assert_close(got, expected, rtol=1e-7, atol=1e-9)


def test_traced_necks() -> None:
    model = Necks('near').eval()
    telling_weights(model)
    model = model.double()
    with torch.no_grad():
        traced = torch.jit.trace(model, images((48, 32)), check_trace=False, strict=False)
        for size in [(48, 32), (53, 39)]:
            for got, expected in zip(traced(images(size)), model(images(size))):
                torch.testing.assert_close(got, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize('options', [dict(), dict(pool=dict())], ids=['published', 'near'])
def test_trace_in_training_mode_has_gradients(options: dict) -> None:
    model = model_of(FEC, (1, 1, 1, 1), **options).train()
    traced = torch.jit.trace(model, images(SIZES[0]), check_trace=False)
    for network in (traced, model):
        model.zero_grad()
        sum(out.square().mean() for out in network(images((64, 128)))).backward()
        grads = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        if network is traced:
            expected = grads
    assert grads.keys() == expected.keys() and grads
    for name, grad in grads.items():
        torch.testing.assert_close(expected[name], grad, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ('family', 'regions', 'options'),
    [
        (FEC, (2, 2, 1, 1), dict()),
        (FEC, (1, 1, 1, 1), dict(pool=dict())),
        (ContextCluster, (4, 2, 2, 1), dict()),
    ],
)
def test_older_exporter(tmp_path: Path, family: type[ClusterBackbone], regions: tuple[int, ...], options: dict) -> None:
    """At the size of the export."""
    onnx, onnxruntime = pytest.importorskip('onnx'), pytest.importorskip('onnxruntime')
    model, x = model_of(family, regions, **options).float(), images((105, 77)).float()
    with torch.no_grad():
        torch.onnx.export(model, (x,), tmp_path / 'model.onnx', dynamo=False, opset_version=17, input_names=['images'])
        expected = model(x)
    assert {node.domain for node in onnx.load(tmp_path / 'model.onnx').graph.node} == {''}
    for got, e in zip(onnxruntime.InferenceSession(tmp_path / 'model.onnx').run(None, {'images': x.numpy()}), expected):
        assert got.shape == e.shape
        assert (torch.from_numpy(got) - e).norm() / e.norm() < 1e-3
