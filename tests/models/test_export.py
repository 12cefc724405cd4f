"""ONNX: plain operators, dynamic height and width, equal to the model at sizes other than the exported one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fec_mm.device.networks import Necks
from fec_mm.device.recordings import telling_weights
from fec_mm.models import FEC, ContextCluster
from fec_mm.models.backbones.cluster_backbone import ClusterBackbone

from .test_backbones import TINY

onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')
pytestmark = pytest.mark.compile  # about two minutes each


class Classifier(nn.Module):
    """What mmpretrain computes around a backbone: average pooling and a linear head."""

    def __init__(self, backbone: ClusterBackbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(TINY['embed_dims'][-1], 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x)[-1].mean((2, 3)))


def export(model: nn.Module, path: Path, size: tuple[int, int]) -> None:
    sides = {2: torch.export.Dim('height', min=32, max=4096), 3: torch.export.Dim('width', min=32, max=4096)}
    torch.onnx.export(
        model,
        (torch.randn(1, 3, *size),),
        path,
        dynamo=True,
        input_names=['images'],
        dynamic_shapes=(sides,),
        verbose=False,
    )


def assert_equal_at(sizes: list[tuple[int, int]], path: Path, model: nn.Module, several: bool) -> None:
    assert {node.domain for node in onnx.load(path).graph.node} == {''}
    session = onnxruntime.InferenceSession(path)
    for size in sizes:
        # Seeded: of a hundred images, one has a position so undecided that rounding decides, and its map differs by
        # percents.
        images = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            expected = model(images)
        got = session.run(None, {'images': images.numpy()})
        for g, e in zip(got, expected if several else [expected]):
            assert g.shape == e.shape
            assert (torch.from_numpy(g) - e).norm() / e.norm() < 1e-3, size


@pytest.mark.parametrize(
    ('family', 'options', 'dense'),
    [
        (FEC, dict(regions_per_side=(1, 1, 1, 1)), False),
        (FEC, dict(regions_per_side=(2, 2, 1, 1)), True),
        (FEC, dict(regions_per_side=(1, 1, 1, 1), pool=dict()), True),
        (ContextCluster, dict(regions_per_side=(4, 2, 2, 1)), True),
    ],
)
def test_export_equals_the_model_at_other_sizes(
    tmp_path: Path, family: type[ClusterBackbone], options: dict, dense: bool
) -> None:
    model: nn.Module = family(TINY, **options, out_indices=(0, 1, 2, 3) if dense else -1)
    model = (model if dense else Classifier(model)).eval()
    telling_weights(model)
    path = tmp_path / 'model.onnx'
    export(model, path, (96, 64))
    assert_equal_at([(96, 64), (64, 128), (105, 77), (33, 90)], path, model, dense)


@pytest.mark.parametrize('candidates', ['near', 'all'])
def test_necks(tmp_path: Path, candidates: str) -> None:
    model = Necks(candidates).eval()
    telling_weights(model)
    export(model, tmp_path / 'necks.onnx', (48, 32))
    assert_equal_at([(48, 32), (32, 64), (53, 39), (33, 45)], tmp_path / 'necks.onnx', model, several=True)
