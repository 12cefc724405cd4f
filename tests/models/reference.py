"""The recorded outputs of the released models, and the weights they were recorded with."""
from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

DATA = Path(__file__).parents[1] / 'data'


def load(name: str) -> dict[str, Any]:
    return json.loads((DATA / f'{name}.json').read_text())


def _scaled(name: str, a: Any) -> Any:
    """Standard normal values as a weight with which every part of a network matters."""
    if a.ndim >= 2:
        return a / np.prod(a.shape[1:])**.5
    if 'layer_scale' in name:
        return 0.5 + 0.1 * a
    if name.endswith('alpha') or ('norm' in name and name.endswith('weight')):
        return 1.0 + 0.1 * a
    return 0.1 * a


def recorded_weight(key: str, shape: list[int]) -> Tensor:
    """The weight that a released key had when the outputs were recorded: it follows from the key's name."""
    a = np.random.RandomState(zlib.crc32(key.encode()) & 0xffffffff).standard_normal(shape)
    return torch.from_numpy(_scaled(key, a).astype('float32'))


def released_state(name: str) -> dict[str, Tensor]:
    return {key: recorded_weight(key, shape) for key, shape in load(name)['state']}


def telling_weights(model: nn.Module, seed: int = 0) -> None:
    """Weights of the same kind for any model: at its initial layer scale the output hardly depends on the clustering."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(_scaled(name, torch.randn(p.shape, generator=generator)))
