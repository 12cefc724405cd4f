"""The backbones compute what the published ones compute: recorded outputs and gradients, in float64 to 1e-6
relative."""

import pytest

from fec_mm.device.checks import parity
from fec_mm.device.recordings import MODELS, recorded_model, recording, released_parameters

# Minutes in float64.
LONG = ('enformer_small_det', 'enformer_base_seg', 'enformer_small_cls')


@pytest.mark.parametrize(
    'name', [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in MODELS]
)
@pytest.mark.parametrize('implementation', ['fast', 'reference'])
def test_outputs_and_gradients(name: str, implementation: str) -> None:
    parity(name, 'cpu', implementation)


@pytest.mark.parametrize('name', MODELS)
def test_parameters(name: str) -> None:
    """As many as the released model has; those that never receive a gradient there are frozen here."""
    recorded, model = recording(name), recorded_model(name)
    assert sum(p.numel() for p in model.parameters()) == recorded['params']
    frozen = {key for key, p in released_parameters(model).items() if not p.requires_grad}
    assert frozen == {key for key, norm in recorded['grad_l2'].items() if norm is None}
