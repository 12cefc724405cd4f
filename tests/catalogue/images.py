"""Images: damaged ones, and those of another kind than one expects."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import Image

from .case import Case, Place

UNREADABLE = '…is not a readable image: replace it'
COPY = 'Copy or download the file again, or take it out of the data set.'
EVERYWHERE = ('train', 'test', 'infer', 'visualize')
LOADERS = EVERYWHERE[:3]
KEPT_RATIO = "train_pipeline[1] = dict(type='Resize', scale=(64, 64), keep_ratio=True)\n"


def picture(seed: int = 0, size: tuple[int, int] = (64, 48)) -> Image.Image:
    """A smooth coloured picture, W×H, that compression changes little."""
    y, x = np.mgrid[: size[1], : size[0]]
    return Image.fromarray(np.stack([3 * x + seed, 4 * y, 2 * (x + y)], -1).astype(np.uint8))


def encoded(image: Image.Image, kind: str = 'PNG', **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def bgr(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert('RGB'))[..., ::-1]


def content(data: Callable[[], bytes]) -> Callable[[Place], object]:
    return lambda place: place.image.write_bytes(data())


def cut(kind: str) -> Callable[[Place], object]:
    def damage(place: Place) -> None:
        whole = encoded(picture(), kind)
        place.image.write_bytes(whole[: len(whole) * 2 // 3])

    return damage


def called_jpg(place: Place) -> None:
    place.image.unlink()
    (place.image.parent / '0.jpg').write_text('<html>404 not found</html>')


def renamed(name: bytes, data: Callable[[], bytes]) -> Callable[[Place], object]:
    """Give the damaged image another name and content."""

    def damage(place: Place) -> None:
        place.image.unlink()
        path = place.image.parent / os.fsdecode(name)
        path.write_bytes(data())
        place.given.update(input=path)

    return damage


def same_as(expected: Callable[[], np.ndarray], tolerance: float = 0) -> Callable[[Place], object]:
    """That the image is loaded as these pixels."""

    def check(place: Place) -> None:
        assert place.loaded().shape == expected().shape
        assert np.abs(place.loaded().astype(float) - expected()).mean() <= tolerance

    return check


def deep() -> np.ndarray:
    return (np.arange(64 * 48).reshape(48, 64) * 20).astype(np.uint16)


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown a quarter clockwise
    return encoded(picture(), 'JPEG', exif=exif, quality=100)


def turned_with_boxes(place: Place) -> None:
    place.image.write_bytes(turned())
    place.boxes(lambda coco: coco['images'][0].update(width=64, height=48))


def array(values: Callable[[], np.ndarray]) -> Callable[[Place], object]:
    return lambda place: place.given.update(input=values())


EMPTY = Case(
    'An empty image file',
    'A download or a copy stopped at its start, or the disk was full.',
    COPY,
    UNREADABLE,
    damage=content(lambda: b''),
    tools=LOADERS,
)
CASES = [
    EMPTY,
    Case(
        'A truncated JPEG',
        'A download or a copy stopped in the middle.',
        COPY,
        UNREADABLE,
        damage=cut('JPEG'),
        tools=LOADERS,
    ),
    Case(
        'A truncated PNG',
        'A download or a copy stopped in the middle.',
        COPY,
        UNREADABLE,
        damage=cut('PNG'),
        tools=LOADERS,
        scope='mmseg',
    ),
    Case(
        'A text file called .jpg',
        'The server answered a download with a page.',
        COPY,
        '…0.jpg is not a readable image: replace it',
        damage=called_jpg,
    ),
    Case(
        'An unreadable image to visualize',
        'One of the images is damaged.',
        COPY + ' The pictures of the others are there.',
        '1 of 1 images could not be read: …0.png',
        damage=cut('JPEG'),
        tools=('visualize',),
    ),
    Case(
        'An unreadable image with a line break in its name',
        'The download or the copy stopped. The name was made of text that was copied.',
        COPY,
        r'…left/a\nb  c.png is not a readable image: replace it',
        damage=renamed(b'a\nb  c.png', lambda: b''),
        tools=LOADERS,
    ),
    Case(
        'A name that is no UTF-8',
        'The file was unpacked from an archive of another system.',
        handled=r'Such bytes are shown as `\xe9` in pictures, pages and messages.',
        damage=renamed(b'caf\xe9.png', lambda: encoded(picture())),
        tools=('visualize', 'train', 'test', 'infer'),
    ),
    Case(
        'A grey image',
        'Data sets of photographs have some, ImageNet among them.',
        handled='Its channel is repeated for red, green and blue.',
        damage=content(lambda: encoded(picture().convert('L'))),
        tools=EVERYWHERE,
        check=same_as(lambda: bgr(picture().convert('L'))),
    ),
    Case(
        'An image with alpha',
        'PNG files may have transparent parts.',
        handled='Transparency is dropped: the colours that the file has below it are what counts.',
        damage=content(
            lambda: encoded(Image.merge('RGBA', (*picture().split(), Image.linear_gradient('L').resize((64, 48)))))
        ),
        tools=EVERYWHERE,
        check=same_as(lambda: bgr(picture())),
    ),
    Case(
        'A CMYK image',
        'The JPEG was made for printing. ImageNet has 22 of them.',
        handled='It is converted to RGB by OpenCV, without a colour profile.',
        damage=content(lambda: encoded(picture().convert('CMYK'), 'JPEG', quality=100)),
        tools=EVERYWHERE,
        check=same_as(lambda: bgr(picture()), tolerance=3),
    ),
    Case(
        'A 16-bit image',
        'Microscopes, telescopes and satellites write such images.',
        handled='The upper 8 bits are used: 65535 becomes 255. If your images use a part of the range, stretch '
        'them before.',
        damage=content(lambda: encoded(Image.fromarray(deep()))),
        tools=EVERYWHERE,
        check=same_as(lambda: np.repeat((deep() / 257)[..., None], 3, 2), tolerance=1),
    ),
    Case(
        'A palette image',
        'GIF files and PNG files of at most 256 colours have a palette.',
        handled='Its colours are looked up.',
        damage=content(lambda: encoded(picture().quantize(64))),
        tools=('train', 'infer'),
        check=same_as(lambda: bgr(picture().quantize(64))),
    ),
    Case(
        'An EXIF-rotated image',
        'Cameras and phones store the picture as the sensor lay, and note how to turn it.',
        handled='It is turned upright, as browsers and viewers show it. Boxes and label maps are taken to be '
        'upright, too.',
        damage=content(turned),
        tools=EVERYWHERE,
        check=same_as(lambda: bgr(picture().transpose(Image.Transpose.ROTATE_270)), tolerance=2),
    ),
    Case(
        'Boxes of an EXIF-rotated image before it was turned',
        'The annotation tool ignored EXIF, or the image was resized after it was annotated.',
        'Turn the image (`exiftran -ai`, `PIL.ImageOps.exif_transpose`) or the boxes, or correct width and height.',
        '…images/0.png has 48×64 pixels and its annotation says 64×48: annotate the image as it is, turned as its '
        'EXIF says',
        scope='mmdet',
        damage=turned_with_boxes,
        tools=('train', 'test'),
    ),
    Case(
        'An image of 1×1',
        'A placeholder or a tracking pixel is among the downloads.',
        handled='It is resized as any other. In mmdet `filter_cfg=dict(min_size=…)` leaves such images out.',
        damage=content(lambda: encoded(Image.new('RGB', (1, 1), 'red'))),
        tools=EVERYWHERE,
        check=same_as(lambda: np.array([[[0, 0, 255]]])),
    ),
    Case(
        'An image of 20000×10',
        'The image is a scan line or a banner.',
        handled='It is resized, where the pipeline does not keep its ratio.',
        damage=content(lambda: encoded(Image.new('RGB', (20_000, 10), 'red'))),
        tools=EVERYWHERE,
    ),
    Case(
        'An image of 20000×10 that keeps its ratio',
        'Resizing fits the longer side, and the shorter one comes out below a pixel.',
        'Leave the image out, or cut it into tiles.',
        '…left/0.png has 20000×10 pixels, and resizing leaves none: leave it out, or correct scale and keep_ratio '
        'in the config',
        damage=content(lambda: encoded(Image.new('RGB', (20_000, 10)))),
        config=KEPT_RATIO,
    ),
    Case(
        'An array with NaN',
        'A value is missing, or a division by zero made it.',
        'Replace such values, for instance with `numpy.nan_to_num`.',
        'an array of shape (64, 64, 3) has values that are not finite: clean it first',
        tools=('infer',),
        damage=array(lambda: np.full((64, 64, 3), np.nan, np.float32)),
    ),
    Case(
        'An array that is no image',
        'The array is a batch, has its channels first, or is grey.',
        'Give H×W×3, BGR. RGB with the channels first becomes that by `array.transpose(1, 2, 0)[..., ::-1]`.',
        'an array of shape (3, 64, 64) and type float64 is no image: give H×W×3 numbers from 0 to 255, BGR',
        tools=('infer',),
        damage=array(lambda: np.zeros((3, 64, 64))),
    ),
]
