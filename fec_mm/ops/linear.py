"""A product and its bias."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def autocasting(device: torch.device) -> bool:
    """`torch.is_autocast_enabled(device.type)`, which torch before 2.4 has as two functions."""
    if hasattr(torch, 'get_autocast_dtype'):
        return torch.is_autocast_enabled(device.type)
    return torch.is_autocast_cpu_enabled() if device.type == 'cpu' else torch.is_autocast_enabled()


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`F.linear` for products wider than their input: on a CPU it would first fill the whole output with the bias."""
    if x.device.type == 'cpu' and not autocasting(x.device):
        return (x @ weight.t()).add_(bias)
    return F.linear(x, weight, bias)
