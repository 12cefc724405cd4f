"""The argmax holds a tile of scores, not all of them."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch

from fec_mm.evaluation.timing import peak_growth
from fec_mm.ops.assign import assign


def growth() -> float:
    torch.manual_seed(0)
    x, queries, bias = torch.randn(1, 40_000, 16), torch.randn(1, 1, 10_000, 16), torch.randn(1, 1, 10_000)
    return peak_growth(lambda: assign(x, queries, bias), 'cpu')


def test_memory_of_many_centers() -> None:
    """All scores would be 1.5 GiB, and so were tiles of them that fragmented the heap."""
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
        assert pool.submit(growth).result() < 64
