"""The backbones compute what the published ones compute: recorded outputs and gradients, in float64 to 1e-6 relative."""
import numpy as np
import pytest
import torch
from torch import nn

from fec_mm.models import FEC, ContextCluster
from fec_mm.models.released import convert, released_keys

from .reference import load, released_state

DETECTION = dict(centers_per_side=(7, 7, 7, 7), regions_per_side=(2, 2, 1, 1), out_indices=(0, 1, 2, 3))


class Classifier(nn.Module):
    """Backbone, mean over positions, linear layer: what mmpretrain builds of the config."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Module()
        self.head.fc = nn.Linear(320, 1000)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.head.fc(self.backbone(x)[-1].mean((2, 3))), )


class Dense(nn.Module):

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.backbone(x)


CASES = {
    'fec_small_cls': lambda: Classifier(FEC('small')),
    'fec_small_det': lambda: Dense(FEC('small', **DETECTION)),
    'coc_tiny_cls': lambda: Classifier(ContextCluster('tiny')),
}


@pytest.mark.parametrize('implementation', ['fast', 'reference'])
@pytest.mark.parametrize('name', CASES)
def test_outputs_and_gradients(name: str, implementation: str) -> None:
    recorded = load(name)
    model = CASES[name]()
    assert sum(p.numel() for p in model.parameters()) == recorded['params']
    model.load_state_dict(convert(released_state(name)).state_dict, strict=True)
    model = model.double()
    for module in model.modules():
        if hasattr(module, 'implementation'):
            module.implementation = implementation
    x = torch.from_numpy(np.random.RandomState(7).standard_normal(recorded['input']))
    outputs = model(x)
    assert len(outputs) == len(recorded['outputs'])
    for output, expected in zip(outputs, recorded['outputs']):
        assert list(output.shape) == expected['shape']
        scale = expected['l2'] / output.numel()**.5
        values = output.detach().flatten()[expected['at']].numpy()
        np.testing.assert_allclose(values, expected['values'], rtol=1e-6, atol=1e-6 * scale)
        np.testing.assert_allclose(output.norm().item(), expected['l2'], rtol=1e-6)
        np.testing.assert_allclose(output.mean().item(), expected['mean'], rtol=1e-6, atol=1e-6 * scale)

    sum(o.square().mean() for o in outputs).backward()
    ours = {'head.weight': model.head.fc.weight, 'head.bias': model.head.fc.bias} if hasattr(model, 'head') else {}
    ours.update({key: model.backbone.get_parameter(name) for key, name in released_keys(model.backbone).items()})
    for key, expected in recorded['grad_l2'].items():
        p = ours[key]
        if expected is None:
            assert p.grad is None and not p.requires_grad, key
        else:
            assert p.grad.norm().item() == pytest.approx(expected, rel=1e-6), key
