"""Which files are images."""
from __future__ import annotations

import functools
from io import BytesIO
from pathlib import Path
from typing import Any

from .hidden import is_hidden
from .leaves import where

# What OpenCV decodes, which reads images in every pipeline unless another backend is named.
SUFFIXES = ('.bmp', '.jfif', '.jpe', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp')


@functools.cache
def image_suffixes() -> tuple[str, ...]:
    """Suffixes of image files, in lower case; `.gif` where the installed OpenCV reads it."""
    import cv2
    import numpy as np
    from PIL import Image
    file = BytesIO()
    Image.new('L', (1, 1)).save(file, 'GIF')
    return (*SUFFIXES, '.gif') if cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), 1) is not None else SUFFIXES


def passed_over(leaf: Any) -> str | None:
    """A line on images beside those of a data set of mmseg, which takes one suffix alone; None where there are none."""
    if not hasattr(leaf, 'img_suffix') or not hasattr(leaf, 'seg_map_suffix') or leaf.ann_file:
        return None
    folder = leaf.data_prefix.get('img_path')
    if not folder or not Path(folder).is_dir():
        return None
    own = leaf.img_suffix, leaf.seg_map_suffix  # images and label maps may lie together
    files = [str(file.relative_to(folder)) for file in Path(folder).rglob('*') if file.suffix.lower() in image_suffixes()]
    others = [file for file in files if not is_hidden(file) and not file.endswith(own)]
    if not others:
        return None
    return (f'{where(leaf)}: {len(others)} images, such as {min(others)}, do not end in {leaf.img_suffix} and are passed over: '
            'rename or convert them, or correct img_suffix')
