"""Launches of functions that are counted by hand."""

from __future__ import annotations

import torch

from fec_mm.device.profile import profile_pass


def test_counts_what_computes_or_copies() -> None:
    a, b = torch.randn(64, 64), torch.randn(64, 64)
    calls = []

    def run() -> None:
        calls.append(1)
        product = a @ b  # one
        product.t().reshape(-1, 2).unsqueeze(0)  # one copy: a transposed matrix has no view of that shape
        torch.cat([a, b]).view(2, 64, 64).exp()  # two

    found = profile_pass(run, 'cpu', repeats=1)
    assert found.kernels == 4 and found.copies == 0
    assert {'aten::mm', 'aten::copy_', 'aten::cat', 'aten::exp'} <= {name for name, _, _ in found.operators}
    assert {count for _, count, _ in found.top} == {1}
    assert sum(ms for _, _, ms in found.top) <= found.device_ms + 1e-9 and found.wall_ms > 0 and found.host_ms > 0
