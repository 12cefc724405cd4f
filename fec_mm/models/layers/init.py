"""Initial weights as the families' authors chose them."""

from __future__ import annotations

import math

from torch import nn


def truncated_normal(module: nn.Module) -> None:
    """Convolutions and linear layers truncated normal of std 0.02, bias 0; for `Module.apply`."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def as_convolution(linear: nn.Linear) -> nn.Linear:
    """A linear layer that is a 1×1 convolution in the authors' code: normal of variance 2 / outputs, bias 0."""
    nn.init.normal_(linear.weight, std=math.sqrt(2 / linear.out_features))
    nn.init.zeros_(linear.bias)
    return linear


def by_fan_out(convolution: nn.Conv2d) -> None:
    """Normal of variance 2 / (kernel positions · outputs of a group), bias 0."""
    kernel = math.prod(convolution.kernel_size)
    nn.init.normal_(convolution.weight, std=math.sqrt(2 * convolution.groups / (kernel * convolution.out_channels)))
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
