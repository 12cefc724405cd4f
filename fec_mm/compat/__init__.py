"""Every work-around for the packages fec_mm runs on, each with its reason and where upstream it comes from.

Importing this package costs nothing: torch, numpy and mmengine are imported by the functions that need them.
"""

from __future__ import annotations

from fec_mm.checkpoints.allowed import allow_checkpoint_globals

from .compiled_steps import leave_optimizers_uncompiled
from .devices import adapt_to_device, distributed, has_accelerator
from .heads import keep_heads_dynamic
from .hidden import pass_over_hidden
from .hooks import keep_checkpoints_safe, leave_out_hooks
from .images import allow_large_images
from .own_tools import mend_tools
from .replacing import replaced
from .torchvision import await_torchvision, declare_torchvision_ops
from .transformers import await_multimodal

__all__ = [
    'adapt_to_device',
    'allow_checkpoint_globals',
    'allow_large_images',
    'apply',
    'await_multimodal',
    'await_torchvision',
    'declare_torchvision_ops',
    'distributed',
    'has_accelerator',
    'keep_checkpoints_safe',
    'keep_heads_dynamic',
    'leave_optimizers_uncompiled',
    'leave_out_hooks',
    'mend_tools',
    'replaced',
]


def apply() -> None:
    """Whatever must hold before a toolbox is used; called by `fec_mm.registry`, cheap, as often as one likes."""
    await_torchvision()
    await_multimodal()
    allow_checkpoint_globals()
    pass_over_hidden()
    import fec_mm.fileio  # noqa: F401  # registers the backend that configs dumped by our tools name; needs mmengine
