"""What each position adds to a logit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from fec_mm.visualization.look import logit_shares

from .pages import GlobalAveragePooling, LinearClsHead


def test_shares_sum_to_the_logits() -> None:
    torch.manual_seed(0)
    features = torch.randn(3, 20, 5, 4, dtype=torch.float64)
    model: Any = nn.Module()
    model.neck, model.head = GlobalAveragePooling(), LinearClsHead().double()
    shares, bias = logit_shares(model, features)
    torch.testing.assert_close(shares.sum((2, 3)) + bias, model.head.fc(features.mean((2, 3))))
    by_hand = model.head.fc.weight[3] @ features[1, :, 2, 1] / 20
    torch.testing.assert_close(shares[1, 3, 2, 1], by_hand)
    assert logit_shares(nn.Linear(1, 1), features) is None


def test_shares_of_a_real_classifier() -> None:
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    pytest.importorskip('mmpretrain')
    cfg = Config.fromfile(Path(__file__).parents[2] / 'configs/quickstart/classification.py')
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).double().eval()
    x = torch.randn(2, 3, 64, 48, dtype=torch.float64)
    with torch.no_grad():
        features = model.backbone(x)[-1]
        shares, bias = logit_shares(model, features)
        torch.testing.assert_close(shares.sum((2, 3)) + bias, model(x, mode='tensor'))
