"""Painting what a model predicts of several views of an image."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from fec_mm.registry import HOOKS


@HOOKS.register_module()
class ShownViewHook(Hook):
    """With test-time augmentation, leave the hooks behind it one view of each image: mmpretrain's paints on what a
    model got.

    It is the first view that is not flipped. (mmpretrain/engine/hooks/visualization_hook.py, `_draw_samples`, takes a
    batch of images for granted; mmdet's and mmseg's read the file.)
    """

    priority = 'VERY_HIGH'

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Replace a list of views in the batch, in place."""
        inputs = data_batch['inputs'] if isinstance(data_batch, dict) else None
        if isinstance(inputs, (list, tuple)) and len(inputs) and inputs[0][0].dim() == 3:
            upright = (i for i, samples in enumerate(data_batch['data_samples']) if not samples[0].get('flip'))
            data_batch['inputs'] = inputs[next(upright, 0)]
