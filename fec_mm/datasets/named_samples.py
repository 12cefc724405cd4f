"""An exception from decoding or resizing an image, which does not say of which, says so: where it happens, also in a
worker."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from mmengine.dataset import Compose
from PIL import Image

from fec_mm.errors import UserError, shown

# What OpenCV and Pillow say of a target without a pixel.
NOTHING_LEFT = re.compile(r'dsize\.empty|inv_scale_x|height and width must be > 0')


class NamedSamples(Compose):
    """The steps of a pipeline: what they raise about a file that they read names it.

    Args:
        steps: Built transforms; the list itself is used.
    """

    def __init__(self, steps: list[Any]) -> None:
        self.transforms = steps

    def __call__(self, data: dict[str, Any]) -> dict[str, Any] | None:
        """Run the steps.

        Raises:
            UserError: Naming the image or the label map that cannot be decoded, or of which resizing leaves nothing.
                All other exceptions pass as they are.
        """
        try:
            result: dict[str, Any] | None = super().__call__(data)
            return result
        except UserError:
            raise
        except Exception as error:
            line = about_an_image(error)
            if line is None:
                raise
            raise UserError(line) from error


def about_an_image(error: Exception) -> str | None:
    """One line for an exception of a transform that loads or resizes; None if it is about something else."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][::-1]
    steps = (
        (type(frame.f_locals['self']).__name__, frame.f_locals['results'])
        for frame in frames
        if 'self' in frame.f_locals and isinstance(frame.f_locals.get('results'), dict)
    )
    nothing: tuple[str, dict[str, Any]] = ('', {})
    kind, results = next(steps, nothing)
    if kind.startswith('Load'):
        path = _path(results, 'seg_map_path' if 'Annotations' in kind else 'img_path')
        return path and _unreadable(error, path, {frame.f_code.co_filename for frame in frames})
    path, image = _path(results, 'img_path'), results.get('img')
    if (
        path
        and isinstance(image, np.ndarray)
        and isinstance(error, (cv2.error, ValueError))
        and NOTHING_LEFT.search(str(error))
    ):
        height, width = (results.get('ori_shape') or image.shape)[:2]
        return (
            f'{path} has {width}×{height} pixels, and resizing leaves none: '
            'leave it out, or correct scale and keep_ratio in the config'
        )
    return None


def _path(results: dict[str, Any], key: str) -> str | None:
    """The file or files of a sample, as text."""
    found = results.get(key)
    paths: Iterable[str] = found if isinstance(found, (list, tuple)) else [found] if found else []
    return ', '.join(map(shown, paths)) or None


def _unreadable(error: Exception, path: str, files: set[str]) -> str | None:
    """What to say of a file that a loading step failed with; `files` are those of the code that ran."""
    if isinstance(error, (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError)):
        return None  # which has the name
    if isinstance(error, Image.DecompressionBombError) or 'CV_IO_MAX_IMAGE' in str(error):
        return f'{path} has more pixels than are decoded at once: cut it into tiles'
    pillow = any(re.search(r'[/\\]PIL[/\\]', file) for file in files) and not isinstance(error, MemoryError)
    nothing = isinstance(error, AttributeError) and "'NoneType' object" in str(error)  # OpenCV returns None
    if pillow or nothing or isinstance(error, cv2.error) or 'failed to load image' in str(error):
        return f'{path} is not a readable image: replace it'
    if isinstance(error, OSError):
        return f'{path} cannot be read ({error}): check the disk, or copy the file again'
    return None


def name_samples(dataset: Any) -> None:
    """Have the pipeline of a built data set of one of the toolboxes name its files; once, however often called."""
    pipeline = getattr(dataset, 'pipeline', None)
    steps = getattr(pipeline, 'transforms', None)
    if isinstance(steps, list) and not isinstance(pipeline, NamedSamples):
        dataset.pipeline = NamedSamples(steps)


def restart_workers(loop: Any) -> None:
    """Have a loop by iterations, whose workers run since it was made, begin again with what its data set is now."""
    if not hasattr(loop, 'dataloader_iterator'):
        return
    loader = loop.dataloader
    if loader.num_workers and loop.dataloader_iterator is not None:
        kind = type(loop.dataloader_iterator)
        loop.dataloader_iterator = loader._iterator = None  # the workers end, also persistent ones
        loop.dataloader_iterator = kind(loader)
