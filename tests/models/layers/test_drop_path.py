"""Images that skip a branch."""

from __future__ import annotations

import pytest
import torch

from fec_mm.models.layers.drop_path import DropPath, plus


def test_dropped_branches_are_gone_and_others_make_up_for_them() -> None:
    torch.manual_seed(0)
    drop, x = DropPath(0.25).train(), torch.zeros(4000, 1, 1, 1)
    kept = drop(x)
    assert kept is not None and kept.unique().tolist() == pytest.approx([0, 4 / 3])
    assert kept.mean().item() == pytest.approx(1, abs=0.03)
    assert torch.equal(plus(x, torch.ones(4000, 2, 2, 1), kept)[:, 0, 0], kept[:, 0, 0])
    assert drop.eval()(x) is None and DropPath(0.0).train()(x) is None


def test_dropped_branches_are_those_of_mmcv() -> None:
    from mmcv.cnn.bricks import DropPath as Theirs

    x = torch.randn(64, 3, 2, 2)
    torch.manual_seed(1)
    expected = x + Theirs(0.3).train()(x)
    torch.manual_seed(1)
    torch.testing.assert_close(plus(x, x, DropPath(0.3).train()(x)), expected)
