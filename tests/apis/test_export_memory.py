"""What onnxruntime holds while it labels the pixels of an image."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fec_mm.apis.exportable import labels

pytest.importorskip('onnxruntime')
pytest.importorskip('onnxscript')

CLASSES, SIDE, STRIDE = 150, 512, 4
RUN = """
import json, sys
import numpy as np, onnxruntime
from fec_mm.evaluation.timing import peak_growth

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options)
logits = np.random.RandomState(0).rand(*map(int, sys.argv[2:])).astype('f4')
session.run(None, {'logits': logits[:, :, :8, :8]})
found = []
grown = peak_growth(lambda: found.extend(session.run(None, {'logits': logits})), 'cpu')
print(json.dumps([grown, found[0].astype(int).sum().item(), list(found[0].shape)]))
"""


class Labels(nn.Module):
    """Class ids from logits of a quarter of the size, by the exported way or by all scores at once."""

    def __init__(self, whole: bool) -> None:
        super().__init__()
        self.whole = whole

    def forward(self, logits: Tensor) -> Tensor:
        size = (STRIDE * logits.shape[2], STRIDE * logits.shape[3])
        if self.whole:
            return nn.functional.interpolate(logits, size, mode='bilinear').argmax(1)
        return labels(logits, size, align_corners=False)


def grown(file: Path, whole: bool) -> tuple[float, int, list[int]]:
    """MiB that a process grew by while it ran the file, the sum of the ids, and their shape."""
    sides = {side: torch.export.Dim(name, min=2, max=2048) for side, name in ((2, 'height'), (3, 'width'))}
    torch.onnx.export(
        Labels(whole),
        (torch.randn(2, CLASSES, 16, 24),),
        file,
        dynamo=True,
        input_names=['logits'],
        dynamic_shapes=({0: torch.export.Dim('batch', max=64), **sides},),
        verbose=False,
    )
    shape = map(str, (1, CLASSES, SIDE // STRIDE, SIDE // STRIDE))
    done = subprocess.run([sys.executable, '-c', RUN, str(file), *shape], check=True, capture_output=True, text=True)
    mib, total, ids = json.loads(done.stdout)
    return mib, total, ids


@pytest.mark.slow
def test_labels_are_found_in_a_third_of_the_memory(tmp_path: Path) -> None:
    """All scores of 512² pixels and 150 classes are 150 MiB."""
    at_once, expected, _ = grown(tmp_path / 'whole.onnx', whole=True)
    tiled, total, shape = grown(tmp_path / 'tiles.onnx', whole=False)
    assert total == expected and shape == [1, SIDE, SIDE]
    assert at_once > 100
    assert tiled < at_once / 3, (tiled, at_once)
