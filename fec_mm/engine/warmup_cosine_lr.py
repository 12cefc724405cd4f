"""The learning rate of the papers' ImageNet recipe."""

from __future__ import annotations

import math
from typing import Any

from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler

from fec_mm.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class WarmupCosineLR(LRSchedulerMixin, _ParamScheduler):
    """A linear warm-up, then the cosine that began at epoch 0, then its minimum; the rate is set once per epoch.

    At epoch e, with peak rate p: eta_min + e·(p − eta_min)/warmup below `warmup`; eta_min + ½(p − eta_min)(1 +
    cos(πe/T_max)) below `T_max`; eta_min from there on. mmengine's LinearLR and CosineAnnealingLR in a row start the
    cosine at the end of the warm-up, which is up to 1.5 % of the peak away from it. It sets the rate, and is to be the
    only scheduler.

    Args:
        optimizer: The optimizer, whose rate is p.
        T_max: The epoch at which the minimum is reached.
        warmup: Epochs of the warm-up.
        eta_min: The minimum, and the rate of epoch 0.
    """

    def __init__(self, optimizer: Any, *args: Any, T_max: int, warmup: int, eta_min: float, **kwargs: Any) -> None:
        if not 0 <= warmup <= T_max:
            raise ValueError(f'WarmupCosineLR: warmup={warmup} must lie between 0 and T_max={T_max}')
        self.T_max, self.warmup, self.eta_min = T_max, warmup, eta_min
        super().__init__(optimizer, *args, **kwargs)

    def _get_value(self) -> list[float]:
        """The rates of the parameter groups at `last_step`, the epoch."""
        e = self.last_step
        cosine = (1 + math.cos(math.pi * min(e, self.T_max) / self.T_max)) / 2
        share = e / self.warmup if e < self.warmup else cosine
        return [self.eta_min + (peak - self.eta_min) * share for peak in self.base_values]
