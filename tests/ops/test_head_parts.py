"""Heads apart, by their function and by the plain operators that it stands for."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fec_mm.ops import head_parts as module
from fec_mm.ops.head_parts import head_parts


def plain(maps: torch.Tensor, heads: int, directions: tuple[bool, ...]) -> list[torch.Tensor]:
    """One part and head at a time."""
    B, n, channels = maps.shape
    D = channels // len(directions) // heads
    found = []
    for i, unit in enumerate(directions):
        part = maps[..., i * heads * D : (i + 1) * heads * D].reshape(B, n, heads, D).transpose(1, 2)
        part = torch.nn.functional.normalize(part, dim=-1) if unit else part
        found.append(torch.cat([part, torch.ones(B, heads, n, 1, dtype=maps.dtype)], -1))
    return found


@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 3),
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(1, 4),
    st.lists(st.booleans(), min_size=1, max_size=5),
)
def test_equals_one_at_a_time(B: int, n: int, heads: int, D: int, directions: list[bool]) -> None:
    torch.manual_seed(0)
    maps = torch.randn(B, n, len(directions) * heads * D, dtype=torch.float64, requires_grad=True)
    other = maps.detach().clone().requires_grad_()
    got, expected = head_parts(maps, heads, directions), plain(other, heads, tuple(directions))
    weights = [torch.randn_like(e) for e in expected]
    for g, e in zip(got, expected):
        torch.testing.assert_close(g, e)
    sum((w * g).sum() for w, g in zip(weights, got)).backward()
    sum((w * e).sum() for w, e in zip(weights, expected)).backward()
    torch.testing.assert_close(maps.grad, other.grad)


def test_a_vector_that_is_zero() -> None:
    maps = torch.tensor([[[0.0, 0.0, 3.0, 4.0]]], requires_grad=True)
    (got,) = head_parts(maps, 2, (True,))
    assert torch.equal(got, torch.tensor([[[[0.0, 0.0, 1.0]], [[0.6, 0.8, 1.0]]]]))
    got.sum().backward()
    assert torch.equal(maps.grad[..., :2], torch.zeros(1, 1, 2))


def test_plain_operators_of_compiled_graphs_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = torch.randn(2, 7, 3 * 2 * 4, dtype=torch.float64)
    expected = head_parts(maps, 2, (True, False, True))
    monkeypatch.setattr(module, 'is_exporting', lambda: True)
    for got, e in zip(head_parts(maps, 2, (True, False, True)), expected):
        torch.testing.assert_close(got, e, rtol=0, atol=0)


def test_one_part_alone_has_a_gradient() -> None:
    maps = torch.randn(1, 3, 8, dtype=torch.float64, requires_grad=True)
    head_parts(maps, 2, (True, False))[1].square().sum().backward()
    assert not maps.grad[..., :4].any() and torch.allclose(maps.grad[..., 4:], 2 * maps[..., 4:].detach())
