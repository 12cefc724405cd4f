"""Predictions are painted on whatever the pipeline has loaded: also on images of many bands, which the toolboxes cannot
show."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor

from fec_mm.toolboxes.bands import three_band_pictures, three_bands
from fec_mm.toolboxes.table import TOOLBOXES


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
    kinds = {toolbox.painter.hook for toolbox in TOOLBOXES.values()}
    for hook in runner.hooks:
        if type(hook).__name__ in kinds:
            hook.after_test_iter = _painter(hook.after_test_iter)


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


def _shown(image: Any) -> Any:
    """What mmpretrain paints on, C×H×W."""
    if not isinstance(image, Tensor) or image.ndim != 3 or len(image) == 3:
        return image

    return torch.from_numpy(three_bands(image.permute(1, 2, 0).cpu().numpy())).permute(2, 0, 1)
