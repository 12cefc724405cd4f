"""The argmax holds a tile of scores, not all of them."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fec_mm.evaluation.timing import peak_growth
from fec_mm.ops import assign as module
from fec_mm.ops.assign import assign, largest_rows


def growth() -> float:
    torch.manual_seed(0)
    x, queries, bias = torch.randn(1, 40_000, 16), torch.randn(1, 1, 10_000, 16), torch.randn(1, 1, 10_000)
    return peak_growth(lambda: assign(x, queries, bias), 'cpu')


def test_memory_of_many_centers() -> None:
    """All scores would be 1.5 GiB, and so were tiles of them that fragmented the heap."""
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
        assert pool.submit(growth).result() < 64


def test_largest_rows_of_cpus_and_others() -> None:
    """By max pooling and by a maximum; ties go to the first center."""
    score = torch.randint(4, (3, 5 * 2, 7), generator=torch.Generator().manual_seed(0)).float()
    rows, best = largest_rows(score, heads=2)
    for found, expected in zip(module._largest_by_max(score.view(3, 5, 2, 7)), (rows, best)):
        assert torch.equal(found, expected)
    for g, h, n in ((g, h, n) for g in range(3) for h in range(2) for n in range(7)):
        column = score[g, h::2, n].tolist()
        assert rows[g, h, n] == column.index(max(column)) * 2 + h and best[g, h, n] == max(column)


def exported_growth(file: str) -> float:
    """Of onnxruntime, on the positions of an image of 512×512 at stride 4."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options)
    torch.manual_seed(0)
    inputs = [torch.randn(1, 16384, 8), torch.randn(1, 1, 4096, 8), torch.randn(1, 1, 4096)]
    feed = {name: tensor.numpy() for name, tensor in zip('xqb', inputs)}
    return peak_growth(lambda: session.run(None, feed), 'cpu')


@pytest.mark.slow
def test_memory_of_the_exported_argmax(tmp_path: Path) -> None:
    """All scores would be 256 MiB."""
    pytest.importorskip('onnxruntime')

    class Argmax(nn.Module):
        def forward(self, x: Tensor, q: Tensor, b: Tensor) -> Tensor:
            return assign(x, q, b)

    example = torch.randn(1, 1000, 8), torch.randn(1, 1, 300, 8), torch.randn(1, 1, 300)
    positions, centers = (torch.export.Dim(name, min=2, max=10**6) for name in ('positions', 'centers'))
    sides = {1: positions}, {2: centers}, {2: centers}
    file = str(tmp_path / 'argmax.onnx')
    torch.onnx.export(
        Argmax().eval(), example, file, dynamo=True, dynamic_shapes=sides, input_names=list('xqb'), verbose=False
    )
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
        assert pool.submit(exported_growth, file).result() < 64
