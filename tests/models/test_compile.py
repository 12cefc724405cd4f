"""torch.compile: one graph for all sizes after the first, in eval and in training, equal to the model run as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from fec_mm.device.networks import TINY, Necks
from fec_mm.device.recordings import telling_weights
from fec_mm.models import FEC, ContextCluster
from fec_mm.models.backbones.cluster_backbone import ClusterBackbone

SIZES = [(64, 64), (96, 80), (70, 101), (128, 64), (33, 90)]
pytestmark = pytest.mark.compile  # minutes each, through Inductor up to twenty


@pytest.fixture(autouse=True)
def fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch._dynamo.reset()


def run(model: nn.Module, network: nn.Module, images: Tensor) -> list[Tensor]:
    """Outputs of `model`, and in training mode the gradients of `network`, whose parameters it uses."""
    if not network.training:
        with torch.no_grad():
            return list(model(images))
    network.zero_grad()
    outputs = model(images)
    sum(o.square().mean() for o in outputs).backward()
    return [*outputs, *(p.grad for p in network.parameters() if p.grad is not None)]


def check(network: nn.Module, sizes: list[tuple[int, int]], graphs: int, backend: str = 'inductor') -> None:
    telling_weights(network)
    network = network.double()
    compiled = torch.compile(network, fullgraph=True, backend=backend)
    for size in sizes:
        images = torch.randn(2, 3, *size, dtype=torch.float64)
        # Detached before the second run, which overwrites the gradients.
        got = [t.detach().clone() for t in run(compiled, network, images)]
        expected = run(network, network, images)
        assert len(got) == len(expected)
        for g, e in zip(got, expected):
            torch.testing.assert_close(g, e.detach(), rtol=1e-7, atol=1e-9)
    assert torch._dynamo.utils.counters['stats']['unique_graphs'] <= graphs


@pytest.mark.parametrize(
    ('family', 'regions', 'training'),
    [
        pytest.param(family, regions, training, id=f'{family.__name__}-{regions}-{"train" if training else "eval"}')
        for family in (FEC, ContextCluster)
        for regions in (1, 2)
        for training in (False, True)
    ],
)
def test_three_graphs_fit_all_sizes(family: type[ClusterBackbone], regions: int, training: bool) -> None:
    """A graph for the first size, one for all others, or one for those that divide evenly and one for those that do
    not."""
    network = family({**TINY, 'regions_per_side': (regions, 1)}, out_indices=(0, 1)).train(training)
    check(network, SIZES, graphs=3, backend='aot_eager')


@pytest.mark.parametrize('training', [False, True], ids=['eval', 'train'])
@pytest.mark.parametrize('pool', [dict(), dict(learn_similarity=False)], ids=['near', 'near, no weights'])
def test_near_candidates(pool: dict, training: bool) -> None:
    network = FEC(TINY, out_indices=(0, 1), pool=pool).train(training)
    check(network, SIZES, graphs=3, backend='aot_eager')


@pytest.mark.parametrize(('training', 'graphs'), [(False, 3), (True, len(SIZES))], ids=['eval', 'train'])
def test_inductor(training: bool, graphs: int) -> None:
    """Generated code, minutes of compiling for each graph. In training Inductor guards on more than the model does."""
    check(FEC(TINY, out_indices=(0, 1)).train(training), SIZES, graphs)


@pytest.mark.parametrize('training', [False, True], ids=['eval', 'train'])
def test_the_small_network_compiles(training: bool) -> None:
    check(FEC('small', out_indices=(0, 1, 2, 3)).train(training), SIZES[:3], graphs=3)


@pytest.mark.parametrize(('candidates', 'training'), [('near', False), ('all', False), ('near', True)])
def test_necks(candidates: str, training: bool) -> None:
    check(Necks(candidates).train(training), [(24, 32), (18, 26), (21, 17)], graphs=3, backend='aot_eager')
