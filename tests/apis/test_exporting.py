"""An ONNX file that is left computes what the network does; one that does not is not left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fec_mm.apis.exportable import Exportable
from fec_mm.apis.exporting import export, speeds
from fec_mm.errors import UserError

onnx = pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')


class Doubled(Exportable):
    """A map at twice its size.

    Args:
        factor: Of the size; a float has the exporter write the size into the file.
    """

    def __init__(self, factor: float) -> None:
        super().__init__(nn.Conv2d(3, 4, 1))
        self.factor = factor

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        size = [
            side * self.factor if isinstance(self.factor, int) else int(side * self.factor) for side in images.shape[2:]
        ]
        return (nn.functional.interpolate(self.model(images), size, mode='bilinear'),)


def test_any_size(tmp_path: Path) -> None:
    network, file = Doubled(2).eval(), tmp_path / 'new' / 'model.onnx'
    found = list(export(network, file, (40, 32), dynamic=True, notes={'classes': json.dumps(['ä'])}))
    assert [shape for shape, _ in found] == [(1, 3, 40, 32), (1, 3, 32, 69), (3, 3, 63, 32)]
    assert max(difference for _, difference in found) < 1e-6
    model = onnx.load(file)
    assert [output.name for output in model.graph.output] == ['logits']
    assert {entry.key: json.loads(entry.value) for entry in model.metadata_props}['classes'] == ['ä']
    assert [path.name for path in file.parent.iterdir()] == ['model.onnx']
    assert min(speeds(network, file, (40, 32), repeats=1)) > 0


def test_a_file_that_is_wrong_at_other_sizes_is_not_kept(tmp_path: Path) -> None:
    file = tmp_path / 'model.onnx'
    file.write_text('of before')
    shapes = []
    with pytest.raises(UserError, match=r'differs .* at 32×69'):
        for shape, _ in export(Doubled(2.0).eval(), file, (40, 32), dynamic=True):
            shapes.append(shape)
    assert len(shapes) == 2
    assert [path.read_text() for path in tmp_path.iterdir()] == ['of before']


def test_what_has_no_operator(tmp_path: Path) -> None:
    class Sorted(Exportable):
        def forward(self, images: Tensor) -> tuple[Tensor, ...]:
            return (torch.linalg.eigvalsh(images[:, :, :32, :32]),)

    with pytest.raises(UserError, match='cannot be written as ONNX'):
        list(export(Sorted(nn.Identity()).eval(), tmp_path / 'model.onnx', (32, 32)))
    assert not list(tmp_path.iterdir())
