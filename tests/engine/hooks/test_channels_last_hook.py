"""The memory format changes neither outputs nor gradients, of convolutions and of mmcv's operators behind them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from mmcv.ops import RoIAlign
from mmengine.runner import Runner
from torch import Tensor, nn

from fec_mm.engine import ChannelsLastHook

from ..small import make_runner


class Detector(nn.Module):
    """A convolution, a transposed one, and RoIAlign."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.up = nn.Conv2d(3, 6, 3, padding=1), nn.ConvTranspose2d(6, 5, 2, stride=2)
        self.align = RoIAlign(4, spatial_scale=2.0, sampling_ratio=1)

    def forward(self, images: Tensor) -> Tensor:
        boxes = torch.tensor([[0, 1, 1, 6, 5], [1, 0, 2, 7, 7]], dtype=images.dtype)
        out: Tensor = self.align(self.up(self.conv(images)), boxes)
        return out


def lay_out(model: nn.Module) -> None:
    ChannelsLastHook().before_run(cast(Runner, SimpleNamespace(model=model)))


def results(model: nn.Module, images: Tensor) -> list[Tensor]:
    model.zero_grad()
    out = model(images)
    out.square().sum().backward()
    return [out, *(p.grad.clone() for p in model.parameters() if p.grad is not None)]


def test_outputs_and_gradients_stay() -> None:
    model, images = Detector().double(), torch.randn(2, 3, 9, 8, dtype=torch.float64)
    expected = results(model, images)
    lay_out(model)
    assert model.conv(images).is_contiguous(memory_format=torch.channels_last)
    for got, want in zip(results(model, images), expected):
        torch.testing.assert_close(got, want)


@pytest.fixture
def process_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of this process alone, which is enough for DistributedDataParallel to reduce gradients."""
    monkeypatch.setenv('LOCAL_RANK', '0')
    torch.distributed.init_process_group('gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def test_the_first_distributed_gradient(process_group: None, tmp_path: Path) -> None:
    """DistributedDataParallel keeps the layout that it was made with until its second pass, and permutes other
    gradients."""
    model, images = Detector(), torch.randn(2, 3, 9, 8)
    expected = results(model, images)
    runner = make_runner(tmp_path, cfg=dict(model_wrapper_cfg=dict(type='MMDistributedDataParallel', device_ids=None)))
    runner._distributed = True
    runner.model = runner.wrap_model(runner.cfg.model_wrapper_cfg, model)
    ChannelsLastHook().before_run(runner)
    for _ in range(2):
        for got, want in zip(results(runner.model, images), expected):
            torch.testing.assert_close(got, want)


def test_a_second_call_adds_nothing() -> None:
    model = Detector()
    lay_out(model)
    lay_out(model)
    assert len(model.align._forward_pre_hooks) == 1


def test_checkpoints_fit_models_without_it() -> None:
    model, plain = Detector(), Detector()
    lay_out(model)
    state: dict[str, Any] = model.state_dict()
    plain.load_state_dict(state)
    assert all(p.is_contiguous() for p in plain.parameters())
    assert all(torch.equal(p, state[name]) for name, p in plain.named_parameters())
