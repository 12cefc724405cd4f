"""In what precision autocast has products made."""

from __future__ import annotations

import torch


def autocasting(device: torch.device) -> bool:
    """`torch.is_autocast_enabled(device.type)`, which torch before 2.4 has as two functions."""
    if hasattr(torch, 'get_autocast_dtype'):
        return torch.is_autocast_enabled(device.type)
    return torch.is_autocast_cpu_enabled() if device.type == 'cpu' else torch.is_autocast_enabled()


def product_dtype(device: torch.device, dtype: torch.dtype) -> torch.dtype:
    """What matrix products of weights of `dtype` are made in: that of autocast, if that is on."""
    if not autocasting(device):
        return dtype
    if hasattr(torch, 'get_autocast_dtype'):
        return torch.get_autocast_dtype(device.type)
    return torch.get_autocast_cpu_dtype() if device.type == 'cpu' else torch.get_autocast_gpu_dtype()
