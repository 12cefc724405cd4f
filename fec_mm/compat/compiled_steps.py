"""mmengine's `compile=True`, which compiles a whole training step."""

from __future__ import annotations

from typing import Any


def leave_optimizers_uncompiled(cfg: Any) -> None:
    """Where a config says `compile`, keep the compiler from the backward pass and the optimizer of a step.

    `Runner._maybe_compile` (mmengine/runner/runner.py) compiles `train_step`, whose last part is
    `OptimWrapper.update_params`. torch 2.13 fails there with an internal error, at the optimizer's groups.
    """
    if not cfg.get('compile'):
        return
    import torch
    from mmengine.optim import OptimWrapper

    step = OptimWrapper.update_params
    if not getattr(step, '_torchdynamo_disable', False):
        OptimWrapper.update_params = torch.compiler.disable(step)
