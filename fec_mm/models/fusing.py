"""Models as they are deployed: what is several linear steps in training becomes one."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from fec_mm.errors import UserError

from .backbones.enformer import EnFormer
from .layers import DepthwiseBranches, EnsembleBlock

Model = TypeVar('Model', bound=nn.Module)


@torch.no_grad()
def fuse(model: Model) -> Model:
    """Fold EnFormer's depthwise branches, batch norms and layer scales, in place.

    The outputs in evaluation mode stay the same but for rounding. What was folded is gone: the model computes as it did
    in evaluation, and its weights are those of a backbone with `deploy=True`.

    Args:
        model: An EnFormer, or whatever contains one.

    Returns:
        The model itself, in evaluation mode.

    Raises:
        UserError: There is nothing to fold in it.
    """
    parts = [module for module in model.modules() if isinstance(module, (DepthwiseBranches, EnsembleBlock))]
    if not parts:
        raise UserError(f'{type(model).__name__} has nothing to fold: only fec_mm.EnFormer has a form for deployment')
    for part in parts:
        part.fuse()
    for module in model.modules():
        if isinstance(module, EnFormer):
            module.deploy = True
    return model.eval()
