"""What is timed is what its name says."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from fec_mm.device.cases import PRECISIONS, TASKS, Case, arithmetic
from fec_mm.models import FEC

SIZE = (64, 96)


@pytest.mark.parametrize('task', TASKS)
@pytest.mark.parametrize('arch', ['small', 'coc-tiny'])
def test_backbones(task: str, arch: str) -> None:
    """Its last map, or all four in dense tasks. Nothing is computed."""
    case = Case(task, arch, SIZE, 1, 'eval')
    model = case.build()
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        shapes = [tuple(m.shape) for m in model(case.images())]
    assert len(shapes) == (1 if task == 'classification' else 4) and shapes[-1][2:] == (2, 3)


def test_implementation_and_mode() -> None:
    case = Case('detection', 'small', SIZE, 1, 'train')
    model = case.build('reference')
    assert isinstance(model, FEC) and model.training
    assert {m.implementation for m in model.modules() if hasattr(m, 'implementation')} == {'reference'}
    assert {m.regions for m in model.downsamples} == {2, 1}


@pytest.mark.parametrize('precision', PRECISIONS)
def test_arithmetic(precision: str) -> None:
    before = torch.get_float32_matmul_precision()
    with arithmetic(precision, 'cpu'):
        y = torch.randn(2, 2) @ torch.randn(2, 2)
        assert torch.get_float32_matmul_precision() == ('high' if precision == 'tf32' else before)
    assert y.dtype == getattr(torch, precision, torch.float32)
    assert torch.get_float32_matmul_precision() == before
