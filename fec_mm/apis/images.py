"""Which image file could not be read."""
from __future__ import annotations

import contextlib
import re
import traceback
from collections.abc import Iterator
from typing import Any

from mmengine.logging import print_log
from PIL import Image

from fec_mm.datasets.leaves import leaves
from fec_mm.errors import UserError


@contextlib.contextmanager
def naming_bad_images(runner: Any) -> Iterator[None]:
    """Replace an exception from decoding an image or a label map, which does not say of which, by one that does.

    mmcv's `LoadImageFromFile` names the file; mmseg's `LoadAnnotations` (of Pillow's or OpenCV's decoders) does not,
    and it may have happened in a worker. So the files of the loaders in use are looked through then, which takes minutes of a
    large data set.

    Args:
        runner: the mmengine runner that trains or tests inside of the `with`.

    Raises:
        UserError: naming the file. Other exceptions pass.
    """
    try:
        yield
    except Exception as error:
        text = ''.join(traceback.format_exception(type(error), error, error.__traceback__))
        if 'cv2.error' in text and re.search(r'imresize|imrescale', text):
            image, (width, height) = most_elongated(runner)
            raise UserError(f'{image}, the most elongated image, has {width}×{height} pixels, and resizing leaves none: '
                            'leave it out, or correct scale and keep_ratio in the config') from error
        if isinstance(error, FileNotFoundError) or not re.search(r'loading\.py|imfrombytes|[/\\]PIL[/\\]', text):
            raise
        named = re.search(r'Error: failed to load image: (.+)', text)  # mmcv/transforms/loading.py
        path = named[1].strip() if named else find_unreadable(runner)
        if path is None:
            raise
        raise UserError(f'{path} is not a readable image: replace it') from error


def find_unreadable(runner: Any) -> str | None:
    """The first image or label map of the runner's loaders that cannot be decoded, if any."""
    print_log('Looking for the file that cannot be read, in all that are loaded', 'current')
    return next((str(path) for pair in _files(runner) for path in pair if path is not None and not readable(path)), None)


def most_elongated(runner: Any) -> tuple[str, tuple[int, int]]:
    """The image of the runner's loaders whose sides differ most, and its width and height."""
    found: dict[str, tuple[int, int]] = {}
    for path in (path for path, _ in _files(runner) if path is not None and readable(path)):
        with Image.open(path) as image:
            found[path] = image.size
    return max(found.items(), key=lambda item: max(item[1]) / min(item[1]))


def _files(runner: Any) -> Iterator[tuple[str | None, str | None]]:
    """Image and label map of every sample of the runner's loaders."""
    for loop in (runner._train_loop, runner._val_loop, runner._test_loop):
        for dataset in leaves(loop.dataloader.dataset) if hasattr(loop, 'dataloader') else ():
            for i in range(len(dataset)):
                info = dataset.get_data_info(i)
                yield info.get('img_path'), info.get('seg_map_path')


def readable(path: str) -> bool:
    """Whether a file is an image, by its structure; of a file that does not exist: True."""
    try:
        with Image.open(path) as image:
            image.verify()
    except FileNotFoundError:
        return True  # which is another error, and has a name
    except (OSError, SyntaxError, ValueError):  # SyntaxError is Pillow's word for a broken PNG
        return False
    return True
