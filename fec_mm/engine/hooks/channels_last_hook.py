"""Convolutions in the memory format in which CPUs compute them."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, channels_last, nn
from torch.nn.parallel import DistributedDataParallel

from fec_mm.registry import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Lay the weights of 2-D convolutions out channels last, in training and evaluation.

    Their inputs and outputs follow, and are not reordered at every convolution any more: FEC's maps are channels last
    inside. Values change by rounding only, and checkpoints fit models without it. The operators of mmcv read their
    inputs as if they were channels first; they get them that way.

    Usage: `default_hooks = dict(channels_last=dict(type='fec_mm.ChannelsLastHook'))`.
    """

    def before_run(self, runner: Runner) -> None:
        """Before the weights are initialised or loaded, which keeps the layout. Repeated calls change nothing."""
        changed = False
        for module in runner.model.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                changed |= not module.weight.is_contiguous(memory_format=channels_last)
                module.weight.data = module.weight.data.contiguous(memory_format=channels_last)
            elif (
                type(module).__module__.startswith('mmcv.ops.')
                and _channels_first not in module._forward_pre_hooks.values()
            ):
                module.register_forward_pre_hook(_channels_first)
        if changed and isinstance(runner.model, DistributedDataParallel):
            # It has laid out gradients like the weights it was made with, and would permute those of its first pass.
            runner.model = runner.wrap_model(runner.cfg.get('model_wrapper_cfg'), runner.model.module)


def _channels_first(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(x.contiguous() if isinstance(x, Tensor) else x for x in inputs)
