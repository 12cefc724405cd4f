"""Label maps of segmentation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from .case import Case, Place


def label_map(make: Callable[[np.ndarray], np.ndarray]) -> Callable[[Place], object]:
    """Replace the first label map."""

    def damage(place: Place) -> None:
        path = place.data / 'maps/0.png'
        Image.fromarray(make(np.asarray(Image.open(path)))).save(path)

    return damage


def with_label(labels: np.ndarray, label: int) -> np.ndarray:
    labels = labels.copy()
    labels[3, 4] = label
    return labels


def palette(place: Place) -> None:
    path = place.data / 'maps/0.png'
    image = Image.open(path)
    image.putpalette([0, 0, 0, 200, 30, 30])
    image.save(path)


CASES = [
    Case(
        'Every image filtered out',
        '`filter_cfg`, `metainfo.classes` or the suffix of the images leaves none.',
        'Correct them. In mmseg these are `img_suffix` and `seg_map_suffix`.',
        '…gives no sample to BaseSegDataset: check the annotations, metainfo.classes, the image folder and filter_cfg',
        scope='mmseg',
        config="train_dataloader['dataset']['img_suffix'] = '.jpg'\n",
    ),
    Case(
        'A missing label map',
        'The label map has another name than the image, or `seg_map_suffix` is another.',
        'Correct the names.',
        '…data/maps/0.png does not exist: correct the path',
        scope='mmseg',
        damage=lambda place: (place.data / 'maps/0.png').unlink(),
    ),
    Case(
        'A truncated label map',
        'A download or a copy stopped in the middle.',
        'Copy or download the file again.',
        '…data/maps/0.png is not a readable image: replace it',
        scope='mmseg',
        tools=('train', 'test'),
        damage=lambda place: (place.data / 'maps/0.png').write_bytes((place.data / 'maps/0.png').read_bytes()[:60]),
    ),
    Case(
        'A label map with a class out of range',
        'Labels start at 1, or are colours, or belong to another list of classes.',
        'Correct the labels, `metainfo.classes` and `num_classes`. Labels that start at 1 need '
        '`reduce_zero_label=True`.',
        '…data/maps/0.png has the label 7, and the classes are 0 to 1 (ignored: 255): correct the labels or '
        'metainfo.classes',
        scope='mmseg',
        damage=label_map(lambda labels: with_label(labels, 7)),
        tools=('train', 'test'),
    ),
    Case(
        'A 16-bit label map with a class out of range',
        'The labels are instance numbers, as in Cityscapes. mmseg keeps their lower 8 bits.',
        'Write label maps of 8 bits.',
        '…data/maps/0.png has the label 257, and the classes are 0 to 1 (ignored: 255): correct the labels or '
        'metainfo.classes',
        scope='mmseg',
        damage=label_map(lambda labels: with_label(labels.astype(np.uint16), 257)),
        tools=('train', 'test'),
    ),
    Case(
        'A label map of another size',
        'It was made of a resized copy of the image.',
        'Make it of the image, without interpolation.',
        '…data/maps/0.png has 32×64 pixels and its image 64×64: make the label map of this image',
        scope='mmseg',
        damage=label_map(lambda labels: labels[:, ::2]),
        tools=('train', 'test'),
    ),
    Case(
        'A label map of three channels',
        'It has colours instead of class numbers.',
        'Convert colours to numbers: a PNG with a palette has both.',
        '…data/maps/0.png has 3 channels: a label map has one, of class numbers',
        scope='mmseg',
        damage=label_map(lambda labels: np.stack([labels] * 3, -1)),
        tools=('train', 'test'),
    ),
    Case(
        'A label map with a palette',
        'PASCAL VOC and many tools write such label maps.',
        handled='Its indices are the classes.',
        scope='mmseg',
        damage=lambda place: palette(place),
        tools=('train', 'test'),
    ),
]
