"""mmseg's `Upsample` in exported models."""

from __future__ import annotations

import functools
from typing import Any


def keep_upsampling_dynamic() -> None:
    """Have the head of Semantic FPN and others double sizes that are symbolic, too.

    mmseg multiplies by a float and takes `int` of it (mmseg/models/utils/wrappers.py, `Upsample.forward`), where
    `torch.export` writes the size of the export into the graph: right at that one, and silently wrong at others. Whole
    factors are whole numbers here. The sizes are the same.
    """
    from mmseg.models.utils.wrappers import Upsample, resize

    forward = Upsample.forward
    if hasattr(forward, '__wrapped__'):
        return

    @functools.wraps(forward)
    def dynamic(self: Any, x: Any) -> Any:
        factor = self.scale_factor
        if self.size or not isinstance(factor, float) or not factor.is_integer():
            return forward(self, x)
        size = [side * int(factor) for side in x.shape[-2:]]
        return resize(x, size, None, self.mode, self.align_corners)

    Upsample.forward = dynamic
