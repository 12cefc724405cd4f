"""Images in, what a model finds in them out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Union

import numpy as np
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DefaultScope

from fec_mm.compat.hidden import is_hidden
from fec_mm.datasets.image_suffixes import image_suffixes, is_image
from fec_mm.datasets.readable import readable
from fec_mm.errors import UserError, shown
from fec_mm.toolboxes.bands import many_bands, three_band_pictures
from fec_mm.toolboxes.table import BY_TASK, TOOLBOXES

from .models import get_config, get_model

Image = Union[str, PathLike, np.ndarray]


class FECInferencer:
    """A model to call with images, by the toolbox's own inferencer: `FECInferencer('detection', NAME,
    FILE)('image.jpg')`.

    Args:
        task: Classification, detection or segmentation.
        model: A name of `list_models(task)`, a config file, or a config.
        weights: Checkpoint, read weights-only and loaded strictly.
        device: Default: an accelerator if there is one.

    Raises:
        UserError: An unknown task or model, a model of another task, a checkpoint that is damaged or of another model.
    """

    def __init__(
        self, task: str, model: str | PathLike[str] | Config, weights: str | PathLike[str], device: str | None = None
    ) -> None:
        if task not in BY_TASK:
            raise UserError(f"task '{task}' is none of {', '.join(BY_TASK)}")
        self.task, self.scope = task, BY_TASK[task].scope
        cfg = get_config(model)
        if cfg.default_scope != self.scope:
            other = TOOLBOXES[cfg.default_scope].task if cfg.default_scope in TOOLBOXES else cfg.default_scope
            raise UserError(
                f"{cfg.filename or 'the config'} is for {other}: use it as such, or choose of list_models('{task}')"
            )
        if not cfg.get('visualizer'):
            cfg.visualizer = dict(type=BY_TASK[task].painter.visualizer)
        built = get_model(cfg, weights, device)
        with DefaultScope.overwrite_default_scope(cfg.default_scope):
            self.inferencer = _inferencer(task, built, device)

    def __call__(
        self, inputs: Image | Sequence[Image], out_dir: str | PathLike[str] | None = None, **kwargs: Any
    ) -> Any:
        """Run the model, with a progress bar.

        Args:
            inputs: Image file, folder of images, H×W×3 array (BGR, as `mmcv.imread` reads it), or a sequence of these.
            out_dir: For pictures with the predictions painted on them, in `out_dir/vis`. Default: none.
            kwargs: Of the toolbox's inferencer, such as `batch_size` and `return_datasamples` of each.

        Returns:
            What the toolbox's inferencer returns: of mmpretrain a list with a dict for each image, of mmdet and mmseg a
            dict with `predictions` and `visualization`.

        Raises:
            UserError: No such file or no image; a folder without images; more than four bands, in classification.
        """
        if out_dir is not None and self.task == 'classification':
            Path(out_dir).mkdir(parents=True, exist_ok=True)
            kwargs['show_dir'] = Path(out_dir, 'vis')
        elif out_dir is not None:
            kwargs['out_dir'] = str(out_dir)
        given = [inputs] if isinstance(inputs, (str, PathLike, np.ndarray)) else inputs
        images = [image for item in given for image in _images(item)]
        if self.task == 'classification':
            _check_bands(images)
        with DefaultScope.overwrite_default_scope(self.scope), three_band_pictures():
            return self.inferencer(images, **kwargs)


def _inferencer(task: str, model: Any, device: str | None) -> Any:
    """The toolbox's inferencer, with a model that is built and loaded."""
    if task == 'classification':
        from mmpretrain import ImageClassificationInferencer

        return ImageClassificationInferencer(model, pretrained=False, device=device)
    if task == 'detection':
        from mmdet.apis import DetInferencer as Inferencer
    else:
        from mmseg.apis import MMSegInferencer as Inferencer

    class Built(Inferencer):
        """Would build the model itself, and load the checkpoint not strictly."""

        def _init_model(self, *args: object, **kwargs: object) -> Any:
            return model

    return Built(model.cfg, device=device)


def _check_bands(images: Sequence[str | np.ndarray]) -> None:
    """mmpretrain/apis/image_classification.py, `preprocess`: it reads three bands, whatever the test pipeline does."""
    for path in images:
        if (
            isinstance(path, str)
            and path.lower().endswith(('.tif', '.tiff'))
            and many_bands(Path(path).read_bytes()) is not None
        ):
            raise UserError(
                f"{path} has more than four bands, and mmpretrain's inferencer reads three: give it to tools/test.py"
            )


def _images(item: Image) -> list[str | np.ndarray]:
    """An array, a file, or the images of a folder by name."""
    if isinstance(item, np.ndarray):
        if item.ndim != 3 or item.shape[2] != 3 or not item.size or item.dtype.kind not in 'uif':
            raise UserError(
                f'an array of shape {item.shape} and type {item.dtype} is no image: '
                'give H×W×3 numbers from 0 to 255, BGR'
            )
        if not np.isfinite(item).all():
            raise UserError(f'an array of shape {item.shape} has values that are not finite: clean it first')
        return [item]
    files = image_files(item)
    for file in files:
        if not readable(str(file)):
            raise UserError(f'{shown(file)} is not a readable image: replace it')
    return [str(file) for file in files]


def image_files(item: str | PathLike[str]) -> list[Path]:
    """A file, or the images of a folder by name.

    Raises:
        UserError: It does not exist, or is a folder without images.
    """
    path = Path(item)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f'image {shown(path)} does not exist: correct the path')
    images = sorted(file for file in path.iterdir() if is_image(file.name) and not is_hidden(file.name))
    files = [file for file in images if file.suffix.lower() in image_suffixes()]
    if not files:
        raise UserError(f'folder {shown(path)} has no image: give one with {", ".join(image_suffixes())}')
    others = [file.name for file in images if file not in files]
    if others:
        what = f'{len(others)} images, such as {shown(others[0])}, are passed over: OpenCV does not read them'
        print_log(f'{shown(path)}: {what}', 'current', logging.WARNING)
    return files
