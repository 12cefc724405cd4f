"""Pictures with predictions painted on them, whose text can be read on small images, too.

Shapes: images are H×W×3 (RGB, uint8), masks N×H×W, label maps H×W, boxes x1, y1, x2, y2.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fec_mm.errors import shown

from .figures import enlarge

SHARE = 0.5  # of the colour of a mask or class, over the image
TEXT = 16  # pixels
MOST = 12  # lines of text below a picture


def colour(label: int) -> tuple[int, int, int]:
    """A class's: hues by the golden ratio, so that neighbours differ."""
    r, g, b = colorsys.hsv_to_rgb(label * 0.618034 % 1, 0.75, 0.95)
    return round(255 * r), round(255 * g), round(255 * b)


def paint(
    image: np.ndarray,
    found: Sequence[Mapping[str, Any]],
    masks: np.ndarray | None = None,
    labels: np.ndarray | None = None,
) -> Image.Image:
    """An image, enlarged if it is small, with what was found in it.

    Args:
        image: H×W×3.
        found: With `id`, `label`, and `score` or `share`; with `box` it is drawn where it is, the others stand below
            the picture.
        masks: Of objects, in the order of `found`. Default: none.
        labels: Class ids of all pixels. Default: none.
    """
    mixed = image.astype(np.float32)
    for mask, each in zip(masks if masks is not None else (), found):
        mixed[mask] += SHARE * (np.asarray(colour(each['id'])) - mixed[mask])
    if labels is not None:
        for label in np.unique(labels).tolist():
            mixed[labels == label] += SHARE * (np.asarray(colour(label)) - mixed[labels == label])
    large = enlarge(mixed.round().astype(np.uint8))
    picture = Image.fromarray(large)
    boxes = [each for each in found if 'box' in each]
    for each in reversed(boxes):  # the best on top
        _box(ImageDraw.Draw(picture), each, large.shape[1] / image.shape[1])
    return picture if boxes else _listed(picture, found[:MOST])


def _font() -> Any:
    return ImageFont.load_default(size=TEXT)


def _words(each: Mapping[str, Any]) -> str:
    number = f'{100 * each["share"]:.1f} %' if 'share' in each else f'{each["score"]:.2f}'
    return f'{shown(each["label"])} {number}'


def _box(draw: ImageDraw.ImageDraw, each: Mapping[str, Any], scale: float) -> None:
    x1, y1, x2, y2 = (scale * side for side in each['box'])
    draw.rectangle((x1, y1, max(x1, x2), max(y1, y2)), outline=colour(each['id']), width=2)
    _, _, right, bottom = draw.textbbox((0, 0), _words(each), font=_font())
    y = y1 - bottom - 2 if y1 > bottom + 2 else y1 + 2
    draw.rectangle((x1, y, x1 + right + 4, y + bottom + 2), fill=colour(each['id']))
    draw.text((x1 + 2, y), _words(each), fill='black', font=_font())


def _listed(picture: Image.Image, found: Sequence[Mapping[str, Any]]) -> Image.Image:
    """The picture above a line for each class, with its colour."""
    line = TEXT + 8
    listed = Image.new('RGB', (picture.width, picture.height + line * len(found)), 'white')
    listed.paste(picture)
    draw = ImageDraw.Draw(listed)
    for i, each in enumerate(found):
        y = picture.height + line * i
        if 'share' in each:
            draw.rectangle((4, y + 4, 4 + TEXT, y + 4 + TEXT), fill=colour(each['id']))
        draw.text((TEXT + 12, y + 3), _words(each), fill='black', font=_font())
    return listed
