"""EnFormer in its form for deployment: the same outputs, with the paper's sizes."""

from __future__ import annotations

import copy

import pytest
import torch

from fec_mm.device.networks import Classifier
from fec_mm.device.recordings import telling_weights
from fec_mm.errors import UserError
from fec_mm.models import FEC, EnFormer
from fec_mm.models.fusing import fuse

ARCH = dict(
    depths=(1, 1, 1, 1),
    embed_dims=(8, 12, 16, 20),
    num_heads=(1, 2, 2, 2),
    head_dims=(4,) * 4,
    kernel_sizes=(3, 5, 7, 3),
)


def network() -> EnFormer:
    model = EnFormer(ARCH, task='detection', out_indices=(0, 1, 2, 3)).double()
    telling_weights(model)
    generator = torch.Generator().manual_seed(1)
    for name, buffer in model.named_buffers():
        if 'running' in name:
            noise = torch.rand(buffer.shape, generator=generator, dtype=torch.float64)
            buffer.copy_(noise + (0.5 if name.endswith('var') else 0))
    return model.eval()


def test_outputs_stay() -> None:
    """Against the modules of training, run as they are, and after a round trip through `deploy=True`."""
    model = network()
    for module in model.modules():
        if hasattr(module, 'implementation'):
            module.implementation = 'reference'
    images = torch.randn(2, 3, 70, 45, dtype=torch.float64)
    fused = fuse(copy.deepcopy(model))
    built = EnFormer(ARCH, task='detection', out_indices=(0, 1, 2, 3), deploy=True).double().eval()
    built.load_state_dict(fused.state_dict())
    with torch.no_grad():
        for expected, got, loaded in zip(model(images), fused(images), built(images)):
            torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(loaded, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(('arch', 'params'), [('small', 8_506_224), ('base', 15_553_624), ('large', 30_816_964)])
def test_sizes_of_the_paper(arch: str, params: int) -> None:
    model = EnFormer(arch)
    model = fuse(Classifier(model, model.norm3.normalized_shape[0]))
    assert sum(p.numel() for p in model.parameters()) == params


def test_twice_is_once() -> None:
    model = fuse(network())
    state = {key: value.clone() for key, value in model.state_dict().items()}
    assert all(torch.equal(value, state[key]) for key, value in fuse(model).state_dict().items())


def test_nothing_to_fold() -> None:
    with pytest.raises(UserError, match='FEC has nothing to fold'):
        fuse(FEC('small'))
