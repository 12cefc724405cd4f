"""What any backbones of the toolboxes cost: parameters, multiply-adds, time and memory.

Shapes: images B×3×H×W.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

import torch
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from fec_mm.evaluation.flops import count_backbone
from fec_mm.evaluation.timing import in_turn, peak_growth
from fec_mm.toolboxes.configs import import_toolbox

from .cases import Case

Backbones = Mapping[str, dict[str, Any]]


@dataclass(frozen=True)
class ConfigCase(Case):
    """A backbone of mmpretrain or of this package by its config; `arch` is what it is called."""

    backbone: dict[str, Any] = field(default_factory=dict)

    def build(self, implementation: str = 'fast') -> nn.Module:
        """The backbone, on its device and in its mode."""
        torch.manual_seed(0)
        import_toolbox('mmpretrain')
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            model: nn.Module = MODELS.build(self.backbone)
        model.to(self.device)
        model.train(self.mode == 'train')  # mmpretrain's return nothing
        return model


def costs(backbones: Backbones, size: int) -> dict[str, dict[str, Any]]:
    """Parameters, and multiply-adds of an image in fvcore's convention, by the backbones' names."""
    found = {}
    for name, backbone in backbones.items():
        model = ConfigCase('classification', name, (size, size), 1, 'eval', backbone=backbone).build()
        count, _ = count_backbone(model, (3, size, size))
        found[name] = dict(parameters=sum(p.numel() for p in model.parameters()), multiply_adds=count.in_convention)
    return found


def speeds(backbones: Backbones, size: int, batch: int, device: str, repeats: int) -> dict[str, dict[str, float]]:
    """By the backbones' names images per second forward (`eval`) and forward and backward (`train`), in turn in one
    process, and `peak_mib`, by which the memory grows in the latter, in a process of its own."""
    found: dict[str, dict[str, float]] = {name: {} for name in backbones}
    for mode in ('eval', 'train'):
        cases = [
            ConfigCase('classification', name, (size, size), batch, mode, device, backbone=backbone)
            for name, backbone in backbones.items()
        ]
        for case, seconds in zip(cases, in_turn([case.step(case.build()) for case in cases], device, repeats, 2)):
            found[case.arch][mode] = batch / seconds
    for case in cases:
        with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
            found[case.arch]['peak_mib'] = pool.submit(_peak, case).result()
    return found


def _peak(case: Case) -> float:
    return peak_growth(case.step(case.build()), case.device)
