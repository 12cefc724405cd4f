"""Which files are images."""

from __future__ import annotations

import functools
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from fec_mm.compat.hidden import is_hidden

from .leaves import where

# What OpenCV decodes, which reads images in every pipeline unless another backend is named.
SUFFIXES = ('.bmp', '.jfif', '.jpe', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp')
# Images that OpenCV decodes not at all, or not in every installation.
OTHERS = ('.avif', '.gif', '.heic', '.heif', '.jp2', '.jxl', '.psd', '.svg', '.tga')


@functools.cache
def image_suffixes() -> tuple[str, ...]:
    """Suffixes of image files, in lower case; `.gif` where the installed OpenCV reads it."""
    file = BytesIO()
    Image.new('L', (1, 1)).save(file, 'GIF')
    return (*SUFFIXES, '.gif') if cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), 1) is not None else SUFFIXES


def count_when_mmpretrain_loads() -> None:
    """Have the `CustomDataset`s of this process keep the names of the images that they pass over in folders of
    classes."""
    from mmpretrain.datasets import CustomDataset

    is_valid_file = CustomDataset.is_valid_file
    if hasattr(is_valid_file, '__wrapped__'):
        return

    @functools.wraps(is_valid_file)
    def counted(self: Any, filename: str) -> bool:
        valid: bool = is_valid_file(self, filename)
        if not valid and is_image(filename):
            self.left_out = [*getattr(self, 'left_out', ()), filename]
        return valid

    CustomDataset.is_valid_file = counted


def passed_over(leaf: Any) -> str | None:
    """A line on images that lie among those of a data set and are not taken; None where there are none.

    Args:
        leaf: Of mmpretrain, in folders of classes, or of mmseg, which takes one suffix alone.
    """
    if hasattr(leaf, 'img_suffix') and hasattr(leaf, 'seg_map_suffix') and not leaf.ann_file:
        others, taken, setting = _beside(leaf), leaf.img_suffix, 'img_suffix'
    else:
        others, setting = getattr(leaf, 'left_out', []), 'extensions'
        taken = ', '.join(sorted(getattr(leaf, 'extensions', ())))
    if not others:
        return None
    return (
        f'{where(leaf)}: {len(others)} images, such as {min(others)}, do not end in {taken} and are passed over: '
        f'rename or convert them, or correct {setting}'
    )


def _beside(leaf: Any) -> list[str]:
    folder = leaf.data_prefix.get('img_path')
    if not folder or not Path(folder).is_dir():
        return []
    files = (str(file.relative_to(folder)) for file in Path(folder).rglob('*') if is_image(file.name))
    own = leaf.img_suffix, leaf.seg_map_suffix  # images and label maps may lie together
    return [file for file in files if not is_hidden(file) and not file.endswith(own)]


def is_image(name: str) -> bool:
    """Whether a file is an image by its name, also of a kind that OpenCV does not read."""
    return name.lower().endswith((*SUFFIXES, *OTHERS))
