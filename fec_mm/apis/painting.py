"""Predictions are painted on whatever the pipeline has loaded: also on images of many bands, which the toolboxes cannot
show."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from typing import Any
from unittest.mock import patch

import numpy as np
from mmengine.logging import print_log
from torch import Tensor

from .outputs import PAINTERS


def forget_training(cfg: Any) -> None:
    """Take the training out of a config that is to test.

    mmseg's visualization hook asks the runner for its iteration, for which mmengine builds the training loop
    (mmengine/runner/runner.py, `iter`): the training data would have to be there.
    """
    for key in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler'):
        cfg.pop(key, None)


def paint_any_image(runner: Any) -> None:
    """Have the visualization hook of a runner that tests take the first three bands of images with more, and pass over
    others.

    A picture that cannot be painted is no reason to lose the score.
    """
    kinds = {kind for kind, *_ in PAINTERS.values()}
    for hook in runner.hooks:
        if type(hook).__name__ in kinds:
            hook.after_test_iter = _painter(hook.after_test_iter)


@contextlib.contextmanager
def three_band_pictures() -> Iterator[None]:
    """Have `mmcv.imfrombytes`, which decodes no more than four bands, give three of an image with more.

    Where a picture is wanted: pipelines say in which way they want an image decoded.
    """
    import mmcv

    decode = mmcv.imfrombytes

    def picture(content: bytes, *args: Any, **kwargs: Any) -> np.ndarray:
        image = many_bands(content) if not args and not {'flag', 'backend'} & kwargs.keys() else None
        return decode(content, *args, **kwargs) if image is None else three_bands(image)

    with patch.object(mmcv, 'imfrombytes', picture):
        yield


def _painter(paint: Callable[..., None]) -> Callable[..., None]:
    def after_test_iter(
        runner: Any, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        for i, output in enumerate(outputs or ()):
            batch = {**data_batch, 'inputs': [_shown(data_batch['inputs'][i])]}
            try:
                with three_band_pictures():
                    paint(runner, batch_idx * len(outputs or ()) + i, batch, [output])
            except OSError:  # the picture cannot be written, nor those to come
                raise
            except Exception as error:
                what = f'{type(error).__name__}: {error}'
                print_log(f'{output.get("img_path")} cannot be painted ({what})', 'current', logging.WARNING)

    return after_test_iter


def many_bands(content: bytes) -> np.ndarray | None:
    """A TIFF of more than four bands, H×W×C; None for what OpenCV decodes."""
    if content[:4] not in (b'II*\0', b'MM\0*'):
        return None
    from tifffile import TiffFile

    with TiffFile(BytesIO(content)) as file:
        page: Any = file.pages[0]
        if page.samplesperpixel <= 4:
            return None
        image: np.ndarray = page.asarray()
        return np.moveaxis(image, 0, -1) if page.planarconfig == 2 else image  # 2: band by band


def three_bands(image: np.ndarray) -> np.ndarray:
    """The first three bands of an image H×W×C, or the one of H×W three times, stretched to 0 to 255 unless they have 8
    bits."""
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
