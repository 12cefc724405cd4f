"""What the released models compute, as recorded, and the weights they had.

Each JSON file is one model: `input`, the shape of its images; `state`, its keys and shapes; `outputs`, with the values
at some places; `grad_l2`, the norm of each parameter's gradient of the sum of the outputs' mean squares, None where
there is none.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fec_mm.checkpoints.released import convert
from fec_mm.checkpoints.released_rules import released_keys
from fec_mm.models import FAMILIES, FEC, CLUENet, ContextCluster, EnFormer

from ..networks import DENSE, DETECTION, Classifier

MODELS: dict[str, Callable[[], nn.Module]] = {
    'fec_small_cls': lambda: Classifier(FEC('small'), 320),
    'fec_small_det': lambda: FEC('small', out_indices=DENSE, **DETECTION),
    'coc_tiny_cls': lambda: Classifier(ContextCluster('tiny'), 320),
    'enformer_small_cls': lambda: Classifier(EnFormer('small', gap_before_final_norm=True), 320),
    'enformer_small_det': lambda: EnFormer('small', 'detection', out_indices=DENSE),
    'enformer_base_seg': lambda: EnFormer('base', 'segmentation', out_indices=DENSE),
    'cluenet_tiny_cls': lambda: Classifier(CLUENet('tiny'), 320),
    'cluenet_mini_cifar_cls': lambda: Classifier(CLUENet('mini-cifar'), 256, classes=100),
}


def recording(name: str) -> dict[str, Any]:
    return json.loads((Path(__file__).parent / f'{name}.json').read_text())


def recorded_weight(key: str, shape: list[int]) -> Tensor:
    """The weight that a released key had when the outputs were recorded: it follows from the key's name."""
    a = np.random.RandomState(zlib.crc32(key.encode()) & 0xFFFFFFFF).standard_normal(shape)
    return torch.from_numpy(np.asarray(_scaled(key, a), 'float32'))


def released_state(name: str) -> dict[str, Tensor]:
    """The state dict of a recorded model, by the released keys."""
    return {key: recorded_weight(key, shape) for key, shape in recording(name)['state']}


def recorded_model(name: str) -> nn.Module:
    """Our model with the weights of the recording, in float64, in evaluation mode."""
    model, state = MODELS[name](), convert(released_state(name), FAMILIES).state_dict
    if not isinstance(model, Classifier):
        state = {key.removeprefix('backbone.'): value for key, value in state.items()}
    model.load_state_dict(state)
    return model.double().eval()


def released_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of a recorded model by their released names."""
    backbone: Any = model.backbone if isinstance(model, Classifier) else model
    found = (
        {f'head.{key}': p for key, p in model.head['fc'].named_parameters()} if isinstance(model, Classifier) else {}
    )
    own = dict(backbone.named_parameters())
    return {**found, **{key: own[name] for key, name in released_keys(backbone).items() if name in own}}


def recorded_images(name: str) -> Tensor:
    """B×3×H×W, float64."""
    return torch.from_numpy(np.random.RandomState(7).standard_normal(recording(name)['input']))


def deviation(output: Tensor, expected: dict[str, Any]) -> float:
    """The largest |o − r| / (rms + |r|) between an output and what was recorded of it, its mean and norm included."""
    if list(output.shape) != expected['shape']:
        raise AssertionError(f'the output has shape {list(output.shape)}, the recorded one {expected["shape"]}')
    output = output.detach().double().cpu()
    rms = expected['l2'] / output.numel() ** 0.5
    got = [*output.flatten()[expected['at']].tolist(), output.mean().item(), output.norm().item()]
    recorded = [*expected['values'], expected['mean'], expected['l2']]
    return max(abs(g - r) / (rms + abs(r)) for g, r in zip(got, recorded))


def telling_weights(model: nn.Module, seed: int = 0) -> None:
    """Weights of the same kind for any model: at its initial layer scale the output hardly depends on the
    clustering."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(_scaled(name, torch.randn(p.shape, generator=generator)))


def _scaled(name: str, a: Any) -> Any:
    """Standard normal values as a weight with which every part of a network matters."""
    a = np.asarray(a) if isinstance(a, float) else a
    if name.endswith('running_var'):
        return 1.0 + 0.1 * abs(a)
    if a.ndim >= 2:
        return a / np.prod(a.shape[1:]) ** 0.5
    if 'layer_scale' in name or 'gamma' in name:
        return 0.5 + 0.1 * a
    normed = 'norm' in name or '.bn' in name
    learnt = name.endswith('alpha') and not name.endswith('attn_alpha')
    if learnt or (normed and name.endswith('weight')):
        return 1.0 + 0.1 * a
    return 0.1 * a
