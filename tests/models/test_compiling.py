"""Blocks compiled for training: they compute what they did, and alike blocks share a graph."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from fec_mm.clusters import record_assignments
from fec_mm.device.networks import TINY
from fec_mm.device.recordings import telling_weights
from fec_mm.models import FEC, CLUENet
from fec_mm.models.compiling import compile_blocks, graph_passes

DEEP = {**TINY, 'depths': (3, 2)}


@pytest.fixture(autouse=True)
def fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch._dynamo.reset()


def passed(model: nn.Module, images: Tensor) -> list[Tensor]:
    model.zero_grad()
    torch.manual_seed(1)
    outputs = model(images)
    sum(o.square().mean() for o in outputs).backward()
    return [*(o.detach() for o in outputs), *(p.grad.clone() for p in model.parameters() if p.grad is not None)]


@pytest.mark.parametrize('pool', [None, dict(iterations=1)], ids=['published', 'local'])
def test_outputs_and_gradients_stay_and_blocks_of_a_stage_share_a_graph(pool: dict | None) -> None:
    """Also where each of them drops its branches at another rate."""
    model = FEC(DEEP, out_indices=(0, 1), drop_path_rate=0.5, pool=pool).double()
    telling_weights(model)
    images, names = torch.randn(3, 3, 40, 32, dtype=torch.float64), list(model.state_dict())
    expected = passed(model, images)
    assert compile_blocks(model, backend='aot_eager', fullgraph=True) == 6
    for _ in range(2):
        for got, want in zip(passed(model, images), expected):
            torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-12)
    # The first block of the first stage drops nothing.
    assert torch._dynamo.utils.counters['stats']['unique_graphs'] == 4
    assert list(model.state_dict()) == names


def test_a_stage_that_hands_on_its_choice_compiles() -> None:
    model = CLUENet('mini-cifar').double()
    telling_weights(model)
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    expected = passed(model, images)
    compile_blocks(model, backend='aot_eager', fullgraph=True)
    for got, want in zip(passed(model, images), expected):
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-12)


def test_evaluation_compiles_nothing() -> None:
    model = FEC(DEEP, out_indices=(0, 1)).eval()
    compile_blocks(model, backend='aot_eager')
    model(torch.randn(1, 3, 32, 32))
    assert not torch._dynamo.utils.counters['stats']['unique_graphs']


def test_a_copy_has_its_own_weights() -> None:
    """As the copies that average weights are made of."""
    model = FEC(DEEP, out_indices=(0, 1))
    compile_blocks(model, backend='eager')
    graph_passes(model)
    copy, images = deepcopy(model), torch.randn(1, 3, 32, 32)
    before = model(images)[1]
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
    torch.testing.assert_close(copy(images)[1], before)
    assert not torch.equal(model(images)[1], before)


def test_assignments_are_recorded_as_ever() -> None:
    model, images = FEC(DEEP, out_indices=(0, 1), pool={}), torch.randn(1, 3, 32, 32)
    telling_weights(model)
    with record_assignments(model) as before:
        model(images)
    compile_blocks(model, backend='aot_eager')
    with record_assignments(model) as after:
        model(images)
    assert not torch._dynamo.utils.counters['stats']['unique_graphs']
    assert list(before.layers) == list(after.layers)
    assert all(torch.equal(a, b) for a, b in zip(before.layers.values(), after.layers.values()))


def test_where_the_compiler_fails_blocks_run_as_they_are() -> None:
    def broken(graph: object, inputs: object) -> object:
        raise ZeroDivisionError('no such kernel')

    model, images = FEC(TINY).train(), torch.randn(2, 3, 64, 64)
    expected = model(images)[-1]
    compile_blocks(model, backend=broken)
    with pytest.warns(UserWarning, match='ClusterBlock is not compiled, and runs as it is: .*no such kernel'):
        found = model(images)[-1]
    assert torch.equal(found, expected)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        model(images)
