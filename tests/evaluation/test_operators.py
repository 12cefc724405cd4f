"""Operators and bytes, counted, against passes that one can count by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fec_mm.device.cases import Case
from fec_mm.evaluation.operators import operators_of


def test_a_chain_by_hand() -> None:
    """A product, a sum and an exponential, of 2×3 and 3×4 float32 numbers; views and new memory are nothing."""
    a, b = torch.randn(2, 3), torch.randn(4, 3)

    def run() -> None:
        y = (a @ b.t()).view(8) + 1
        torch.empty_like(y)
        y.exp()

    found = operators_of(run)
    assert dict(found.products) == {'mm': 1} and dict(found.others) == {'add': 1, 'exp': 1}
    assert found.launches == 3 and found.moved == 4 * ((6 + 12 + 8) + (8 + 8) + (8 + 8))


def test_an_expanded_number_is_read_once() -> None:
    one = torch.ones(1).expand(1000)
    x = torch.ones(1000)
    assert operators_of(lambda: x * one).moved == 4 * (1000 + 1 + 1000)


def test_the_backward_pass_counts() -> None:
    layer, x = nn.Linear(3, 4), torch.randn(2, 3)

    def run() -> None:
        layer(x).sum().backward()
        layer.zero_grad()

    found = operators_of(run)
    assert found.products.total() == 2  # of the output, and of the weight's gradient


# Upper bounds, so that the counts stay; of PyTorch 2.13 on a CPU.
@pytest.mark.parametrize(
    ('arch', 'mode', 'most'),
    [
        ('small', 'eval', 389),
        ('small', 'train', 935),
        ('enformer-small', 'eval', 1153),
        ('enformer-small', 'train', 1996),
        ('cluenet-tiny', 'eval', 699),
        ('cluenet-tiny', 'train', 1755),
    ],
)
def test_launches_are_no_more_than_they_were(arch: str, mode: str, most: int) -> None:
    case = Case('classification', arch, (224, 224), 2, mode)
    assert operators_of(case.step(case.build())).others.total() <= most
