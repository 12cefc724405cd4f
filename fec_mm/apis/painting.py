"""Predictions are painted on whatever the pipeline has loaded: also on images of many bands, which the toolboxes cannot show."""
from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

import numpy as np
from mmengine.logging import print_log
from torch import Tensor

from .outputs import PAINTERS


def paint_any_image(runner: Any) -> None:
    """Have the visualization hook of a runner that tests take the first three bands of images with more, and pass over others.

    A picture that cannot be painted is no reason to lose the score.
    """
    kinds = {kind for kind, *_ in PAINTERS.values()}
    for hook in runner.hooks:
        if type(hook).__name__ in kinds:
            hook.after_test_iter = _painter(hook.after_test_iter)


def _painter(paint: Callable[..., None]) -> Callable[..., None]:
    import mmcv
    decode = mmcv.imfrombytes

    def picture(content: bytes, *args: Any, **kwargs: Any) -> np.ndarray:
        """As `mmcv.imfrombytes`, which decodes no more than four bands."""
        import cv2
        try:
            found: np.ndarray | None = decode(content, *args, **kwargs)
        except cv2.error:  # of a colour conversion of nothing
            found = None
        return three_bands(decode(content, flag='unchanged', backend='tifffile')) if found is None else found

    def after_test_iter(runner: Any, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None) -> None:
        for i, output in enumerate(outputs or ()):
            batch = {**data_batch, 'inputs': [_shown(data_batch['inputs'][i])]}
            try:
                with patch.object(mmcv, 'imfrombytes', picture):
                    paint(runner, batch_idx * len(outputs or ()) + i, batch, [output])
            except Exception as error:
                what = f'{type(error).__name__}: {error}'
                print_log(f"{output.get('img_path')} cannot be painted ({what})", 'current', logging.WARNING)

    return after_test_iter


def three_bands(image: np.ndarray) -> np.ndarray:
    """The first three bands of an image H×W×C, or the one of H×W three times, stretched to 0 to 255 unless they have 8 bits."""
    bands = np.repeat(image[..., None], 3, -1) if image.ndim == 2 else image[..., :3]
    if bands.shape[-1] < 3:
        bands = np.repeat(bands[..., :1], 3, -1)
    if bands.dtype == np.uint8:
        return np.ascontiguousarray(bands)
    values = np.nan_to_num(bands.astype(np.float64))
    low, high = values.min(), values.max()
    return ((values - low) * (255 / max(high - low, 1e-12))).round().astype(np.uint8)


def _shown(image: Any) -> Any:
    """What mmpretrain paints on, C×H×W."""
    if not isinstance(image, Tensor) or image.ndim != 3 or len(image) == 3:
        return image
    import torch
    return torch.from_numpy(three_bands(image.permute(1, 2, 0).cpu().numpy())).permute(2, 0, 1)
