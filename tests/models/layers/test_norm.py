"""Group norm of B×H×W×C maps."""
from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fec_mm.models import FEC
from fec_mm.models.layers import GroupNorm


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
        return (x - x.mean(dims, keepdim=True)) / (x.var(dims, keepdim=True, correction=0) + norm.eps).sqrt() * weight + bias

    upstream = torch.randn(2, 5, 6, 8, dtype=torch.float64)
    y, expected = norm(x), definition(x)
    torch.testing.assert_close(y, expected)
    leaves = (x, ) if needs_gradient else ()
    torch.testing.assert_close(torch.autograd.grad(y, [norm.weight, norm.bias, *leaves], upstream),
                               torch.autograd.grad(expected, [weight, bias, *leaves], upstream))


@pytest.mark.parametrize('frozen', range(2))
def test_behind_frozen_layers(frozen: int) -> None:
    model = FEC('small', out_indices=(0, 1), frozen_stages=frozen).train()
    sum(y.square().mean() for y in model(torch.randn(1, 3, 64, 64)) if y.requires_grad).backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
