"""mmseg's heads in exported models: what they compute must follow the size of the image."""

from __future__ import annotations

import functools
from typing import Any


def keep_heads_dynamic() -> None:
    """Have the heads of mmseg right at other sizes than that of the export. Elsewhere they are what they were."""
    _double_symbolic_sizes()
    _average_symbolic_sizes()


def _double_symbolic_sizes() -> None:
    """`Upsample` of Semantic FPN and others multiplies by a float and takes `int` of it, where `torch.export` writes
    the size of the export into the graph (mmseg/models/utils/wrappers.py): right at that one, and silently wrong at
    others. Whole factors are whole numbers here. The sizes are the same.
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


def _average_symbolic_sizes() -> None:
    """The pyramid of UPerNet and PSPNet averages adaptively (mmseg/models/decode_heads/psp_head.py, `PPM`), which ONNX
    has for one size only: the bins of the export would be silently wrong at others. Exported, the averages are products
    with matrices that are made for the size at hand.
    """
    from mmseg.models.decode_heads.psp_head import PPM
    from mmseg.models.utils import resize

    from fec_mm.ops.regions import average_centers, is_exporting

    forward = PPM.forward
    if hasattr(forward, '__wrapped__'):
        return

    @functools.wraps(forward)
    def dynamic(self: Any, x: Any) -> Any:
        if not is_exporting():
            return forward(self, x)
        outs = []
        for side, (_, layer) in zip(self.pool_scales, self):
            means, _ = average_centers(x.permute(0, 2, 3, 1), 1, side)  # B×m²×C
            y = layer(means.transpose(1, 2).unflatten(2, (side, side)))
            outs.append(resize(y, size=x.shape[2:], mode='bilinear', align_corners=self.align_corners))
        return outs

    PPM.forward = dynamic
