"""EnFormer equals a network written down step by step, channels first: in evaluation and in training, at any size."""

from __future__ import annotations

import pytest
import torch

from fec_mm.checkpoints.released_rules import released_keys
from fec_mm.device.recordings import telling_weights
from fec_mm.models import EnFormer

from .test_backbones import ALL, ENSEMBLE, build
from .transcribed.enformer import EnFormer as Transcribed


@pytest.mark.parametrize('size', [(64, 64), (33, 90)])
def test_evaluation(size: tuple[int, int]) -> None:
    model = build(EnFormer).double().eval()
    agents = list(ENSEMBLE['agents_per_side'])
    state = {key: model.state_dict()[name] for key, name in released_keys(model).items()}
    images = torch.randn(2, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        for got, expected in zip(model(images), Transcribed(state, list(ENSEMBLE['num_heads']), agents)(images)):
            torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


def test_training_normalises_by_the_batch() -> None:
    """With one center per clustering the noise decides nothing."""
    settings = dict(centers_per_side=((1, 1),) * 4, out_indices=ALL)
    model = EnFormer(ENSEMBLE, **settings).double()
    telling_weights(model)
    parameters = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    state = {key: parameters[name] for key, name in released_keys(model).items()}
    transcribed = Transcribed(state, list(ENSEMBLE['num_heads']), list(ENSEMBLE['agents_per_side']), training=True)
    images = torch.randn(3, 3, 64, 48, dtype=torch.float64)
    results = []
    for run in (model.train(), transcribed):
        model.zero_grad()
        outputs = run(images)
        sum(o.square().mean() for o in outputs).backward()
        grads = [p.grad.clone() for name, p in model.named_parameters() if p.grad is not None and '.bn' not in name]
        results.append([*(o.detach() for o in outputs), *grads])
    assert len(results[0]) == len(results[1])
    for got, expected in zip(*results):
        torch.testing.assert_close(got, expected, rtol=1e-7, atol=1e-9)


def test_evaluation_is_deterministic_and_training_is_seeded() -> None:
    model, images = build(EnFormer), torch.randn(2, 3, 64, 64)
    model.eval()
    assert torch.equal(model(images)[-1], model(images)[-1])
    model.train()
    seeded = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        seeded.append(model(images)[-1])
    assert torch.equal(seeded[0], seeded[1]) and not torch.equal(seeded[0], seeded[2])
