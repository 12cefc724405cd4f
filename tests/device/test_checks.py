"""Each check holds for the networks on the CPU, and does not for what is made wrong."""

from __future__ import annotations

from copy import deepcopy
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, nn

from fec_mm.device import checks, measures
from fec_mm.device.recordings import recorded_model
from fec_mm.models.layers import ClusterBlock

NETWORKS = pytest.mark.parametrize('name', measures.CHECKED)


class Bent(nn.Module):
    """A linear map whose second pass, or whose autocast, differs from the first by a factor."""

    def __init__(self, factor: float, when: str) -> None:
        super().__init__()
        self.fc, self.factor, self.when, self.passes = nn.Linear(4, 4), factor, when, 0

    def forward(self, x: Tensor) -> tuple[Tensor]:
        self.passes += 1
        bent = self.passes > 1 if self.when == 'again' else torch.is_autocast_enabled('cpu')
        y = self.fc(x)
        return (y * self.factor if bent else y,)


def test_parity_fails_with_other_weights() -> None:
    def off(name: str) -> nn.Module:
        model = recorded_model(name)
        with torch.no_grad():
            next(model.parameters()).mul_(1 + 1e-4)
        return model

    with (
        patch('fec_mm.device.checks.recorded_model', off),
        pytest.raises(AssertionError, match='deviation of an output'),
    ):
        checks.parity('fec_small_cls', 'cpu')


@NETWORKS
def test_against_cpu(name: str) -> None:
    """The CPU against itself."""
    assert set(checks.against_cpu(*measures.network(name, 'cpu'), 'cpu').values()) == {0.0}


@pytest.mark.parametrize('noise', [1e-5, 1e-2])
def test_another_device_takes_the_assignments(noise: float) -> None:
    """A little noise in what is compared changes assignments, but neither outputs nor gradients; much of it changes
    these."""

    def noisy(model: nn.Module) -> nn.Module:
        model = deepcopy(model)
        with torch.no_grad():
            for name, p in model.named_parameters():
                if '.f.weight' in name:
                    p.add_(noise * p.std() * torch.randn_like(p))
        return model

    with patch('fec_mm.device.checks.deepcopy', noisy):
        if noise < 1e-3:
            assert checks.against_cpu(*measures.network('FEC-S', 'cpu'), 'cpu')['other assignments'] > 0
        else:
            with pytest.raises(AssertionError, match='difference of the outputs'):
                checks.against_cpu(*measures.network('FEC-S', 'cpu'), 'cpu')


@NETWORKS
def test_runs_ahead_and_deterministic(name: str) -> None:
    model, images = measures.network(name, 'cpu')
    checks.runs_ahead(model, images)
    checks.repeats_to_the_bit(model, images)
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_pass_that_differs_is_not_deterministic() -> None:
    with pytest.raises(AssertionError, match='differ between two passes'):
        checks.repeats_to_the_bit(Bent(1 + 1e-6, 'again'), torch.randn(2, 4))


@pytest.mark.parametrize(('name', 'precision'), [('necks, near', 'float16'), ('necks, all', 'bfloat16')])
def test_half_precision(name: str, precision: str) -> None:
    """Whole networks take long on a CPU: the rehearsal has them."""
    measures.check_half(name, 'cpu', precision)
    measures.check_scaler(name, 'cpu', precision)


@pytest.mark.parametrize(('factor', 'says'), [(1.2, 'difference of the first output'), (float('inf'), 'not finite')])
def test_half_precision_that_is_off(factor: float, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        checks.half_precision(Bent(factor, 'autocast'), torch.randn(2, 4), 'bfloat16')


def test_training_that_does_not_fall() -> None:
    class Rising(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.passes = nn.Parameter(torch.ones(1)), 0

        def forward(self, x: Tensor) -> tuple[Tensor]:
            self.passes += 1
            return (self.weight * self.passes * x,)

    with pytest.raises(AssertionError, match='the loss went from'):
        checks.trains_with_a_scaler(Rising(), torch.randn(2, 4), 'bfloat16')


@pytest.mark.compile
def test_compiled_networks() -> None:
    """Without generated code, which takes minutes: the graphs, and that a difference is seen."""
    model = measures.tiny_fec().train()
    figures = checks.compiles(model, [(64, 64)], 1, 'cpu', backend='aot_eager')
    assert figures['graphs'] == 1
    with (
        patch.object(ClusterBlock, 'forward', lambda self, x: 2 * x if torch.compiler.is_compiling() else x),
        pytest.raises(AssertionError, match='difference at 64×64'),
    ):
        checks.compiles(measures.tiny_fec().eval(), [(64, 64)], 1, 'cpu', backend='aot_eager')
    with pytest.raises(AssertionError, match='took 2 graphs'):
        checks.compiles(model, [(64, 64), (96, 80)], 1, 'cpu', backend='aot_eager')
