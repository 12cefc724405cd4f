"""Pictures of images of many bands, which the toolboxes cannot show."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np

from fec_mm.compat import replaced


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

    with replaced(mmcv, 'imfrombytes', picture):
        yield


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
