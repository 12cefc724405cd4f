"""Group norm of B×H×W×C maps."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fec_mm.models import FEC
from fec_mm.models.layers import GroupNorm
from fec_mm.models.layers.norm import ByMoments


@pytest.mark.parametrize('needs_gradient', [True, False])
def test_equals_its_definition(needs_gradient: bool) -> None:
    """Gradients too, where the input needs none: PyTorch's own backward crashes there."""
    torch.manual_seed(0)
    norm = GroupNorm(8).double()
    x = torch.randn(2, 5, 6, 8, dtype=torch.float64, requires_grad=needs_gradient)
    weight, bias = (torch.randn(8, dtype=torch.float64, requires_grad=True) for _ in range(2))
    norm.load_state_dict({'weight': weight.detach(), 'bias': bias.detach()})

    def definition(x: Tensor) -> Tensor:
        dims = (1, 2, 3)
        return (x - x.mean(dims, keepdim=True)) / (
            x.var(dims, keepdim=True, correction=0) + norm.eps
        ).sqrt() * weight + bias

    upstream = torch.randn(2, 5, 6, 8, dtype=torch.float64)
    y, expected = norm(x), definition(x)
    torch.testing.assert_close(y, expected)
    leaves = (x,) if needs_gradient else ()
    torch.testing.assert_close(
        torch.autograd.grad(y, [norm.weight, norm.bias, *leaves], upstream),
        torch.autograd.grad(expected, [weight, bias, *leaves], upstream),
    )


@pytest.mark.parametrize('frozen', range(2))
def test_behind_frozen_layers(frozen: int) -> None:
    model = FEC('small', out_indices=(0, 1), frozen_stages=frozen).train()
    sum(y.square().mean() for y in model(torch.randn(1, 3, 64, 64)) if y.requires_grad).backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize('frozen', [(), ('x',), ('weight', 'bias')], ids=['all', 'no input', 'no parameters'])
def test_by_moments(frozen: tuple[str, ...]) -> None:
    """What runs on GPUs equals PyTorch's group norm, gradients included."""
    inputs = {
        'x': 3 + torch.randn(2, 5, 7, 6, dtype=torch.float64),
        'weight': torch.randn(6, dtype=torch.float64),
        'bias': torch.randn(6, dtype=torch.float64),
    }
    for name, value in inputs.items():
        value.requires_grad_(name not in frozen)
    x, weight, bias = inputs.values()
    got = ByMoments.apply(x, weight, bias, 1e-5)
    expected = F.group_norm(x.permute(0, 3, 1, 2).contiguous(), 1, weight, bias, 1e-5).permute(0, 2, 3, 1)
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
    learns = [value for value in inputs.values() if value.requires_grad]
    coefficients = torch.linspace(-1, 2, got.numel(), dtype=torch.float64).view(got.shape)
    for a, b in zip(*(torch.autograd.grad((y * coefficients).sum(), learns) for y in (got, expected))):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
