"""The recorded outputs of the released models, and the weights they were recorded with."""
from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fec_mm.models.released import convert

DATA = Path(__file__).parents[1] / 'data'


def load(name: str) -> dict[str, Any]:
    return json.loads((DATA / f'{name}.json').read_text())


def recorded_weight(key: str, shape: list[int]) -> Tensor:
    """The weight that a released key had when the outputs were recorded: it follows from the key's name."""
    a = np.random.RandomState(zlib.crc32(key.encode()) & 0xffffffff).standard_normal(shape)
    if len(shape) >= 2:
        a = a / np.sqrt(np.prod(shape[1:]))
    elif 'layer_scale' in key:
        a = 0.5 + 0.1 * a
    elif key.endswith('sim_alpha') or ('norm' in key and key.endswith('weight')):
        a = 1.0 + 0.1 * a
    else:
        a = 0.1 * a
    return torch.from_numpy(a.astype('float32'))


def released_state(name: str) -> dict[str, Tensor]:
    return {key: recorded_weight(key, shape) for key, shape in load(name)['state']}


def telling_weights(model: nn.Module, seed: int = 0) -> None:
    """Weights of the same kind for any model: at its initial layer scale the output hardly depends on the clustering."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            a = torch.randn(p.shape, generator=generator).to(p)
            if p.dim() >= 2:
                a = a / p[0].numel()**.5
            elif 'layer_scale' in name:
                a = 0.5 + 0.1 * a
            elif name.endswith('alpha') or ('norm' in name and name.endswith('weight')):
                a = 1 + 0.1 * a
            else:
                a = 0.1 * a
            p.copy_(a)


__all__ = ['convert', 'load', 'released_state', 'telling_weights']
