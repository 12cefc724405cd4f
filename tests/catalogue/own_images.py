"""Images of one's own: their formats, and what lies beside them."""

from __future__ import annotations

import shutil

import numpy as np
import torch
from PIL import Image

from .case import Case, Place
from .own_data import VAL, logged, same_classes, validation


def notebook(place: Place) -> None:
    """A notebook's copy of an image, in a folder and among the classes."""
    validation(place)
    for folder in (place.data / 'val', place.data / 'val/left'):
        (folder / '.ipynb_checkpoints').mkdir()
        shutil.copy(place.image, folder / '.ipynb_checkpoints/0-checkpoint.png')


def mac(place: Place) -> None:
    (place.image.parent / '._0.png').write_bytes(b'\0\5\26\7\0\2\0\0Mac OS X')
    place.given['input'] = place.image.parent


def formats(place: Place) -> None:
    """Images of one class in formats that mmpretrain passes over."""
    for i, suffix in enumerate(('webp', 'tiff', 'jfif')):
        with Image.open(place.image) as image:
            image.save(place.data / f'classes/right/more{i}.{suffix}')


def bands(place: Place) -> None:
    """Every image with six bands."""
    import tifffile

    for path in sorted([*place.data.glob('images/*.png'), *place.data.glob('classes/*/*.png')]):
        image = np.asarray(Image.open(path))
        tifffile.imwrite(path.with_suffix('.tif'), np.concatenate([image, image], -1), photometric='rgb')
        path.unlink()


SIX = """
model['data_preprocessor'].update(mean=None, std=None)
model['backbone']['in_channels'] = 6
test_pipeline[0].update(imdecode_backend='tifffile', color_type='unchanged')
"""


def six_bands(place: Place) -> None:
    """Also a checkpoint for them."""
    bands(place)
    content = torch.load(place.checkpoint, weights_only=True)
    (name,) = (name for name, value in content['state_dict'].items() if value.ndim == 4 and value.shape[1] == 5)
    weight = content['state_dict'][name]
    content['state_dict'][name] = torch.cat([weight[:, :3], weight[:, :3], weight[:, 3:]], 1)
    place.given['checkpoint'] = place.folder / 'six.pth'
    torch.save(content, place.given['checkpoint'])
    place.given['input'] = place.image.with_suffix('.tif')


def six_boxes(place: Place) -> None:
    six_bands(place)
    place.boxes(lambda content: [image.update(file_name=f'{image["id"]}.tif') for image in content['images']])


def painted(place: Place) -> None:
    files = (path for path in place.folder.glob('out/**/*.*') if path.parent.name != 'pred')
    pictures = sorted(path for path in files if path.suffix in ('.png', '.tif'))
    assert len(pictures) == (4 if place.log() else 1), (
        place.log()
    )  # all of a test, the one that is given to an inferencer
    assert len({Image.open(path).size for path in pictures}) == 1


CASES = [
    Case(
        "A notebook's copies among the classes",
        'Jupyter keeps a folder `.ipynb_checkpoints` beside what is opened in it.',
        handled='What begins with a dot is no class and no image.',
        damage=notebook,
        config=VAL,
        tools=('train', 'test'),
        check=lambda place: same_classes(place),
    ),
    Case(
        'Files of a Mac among the images',
        'Archives made on a Mac hold a `._x.jpg` for each `x.jpg`.',
        handled='What begins with a dot is no class and no image.',
        damage=mac,
        tools=('infer', 'train'),
    ),
    Case(
        'Images in other formats',
        'The folder has WebP, TIFF, JFIF or, with an OpenCV that reads them, GIF.',
        handled='Folders of classes give all images that OpenCV reads.',
        damage=formats,
        check=logged('Epoch(train) [1][4/4]'),
    ),
    Case(
        'Images that OpenCV does not read',
        'A telephone wrote HEIC, for instance.',
        handled='They are passed over, and a warning counts them.',
        damage=lambda place: shutil.copy(place.image, place.data / 'classes/left/photo.heic'),
        check=logged('data/classes: 1 images, such as photo.heic, do not end in .bmp, '),
    ),
    Case(
        'Images of another suffix beside those of segmentation',
        '`img_suffix` names one suffix.',
        handled='They are passed over, and a warning counts them.',
        scope='mmseg',
        damage=lambda place: shutil.copy(place.image, place.data / 'images/9.jpg'),
        check=logged('data/images: 1 images, such as 9.jpg, do not end in .png and are passed over'),
    ),
    Case(
        'Painting on an image of six bands',
        'Satellites record more than three bands.',
        handled='The first three bands are painted on.',
        scope='mmseg',
        damage=six_bands,
        tools=('test', 'infer'),
        config=SIX + "test_dataloader['dataset']['img_suffix'] = '.tif'\n",
        argv=('--show-dir', '{folder}/out'),
        check=painted,
    ),
    Case(
        'Painting on a classified image of six bands',
        'Satellites record more than three bands.',
        handled='The first three bands are painted on.',
        damage=six_bands,
        tools=('test',),
        config=SIX,
        argv=('--show-dir', '{folder}/out'),
        check=painted,
    ),
    Case(
        'Classifying an image of six bands',
        'Satellites record more than three bands.',
        'Use `tools/test.py`.',
        "…left/0.tif has more than four bands, and mmpretrain's inferencer reads three: give it to tools/test.py",
        damage=six_bands,
        tools=('infer',),
        config=SIX,
    ),
    Case(
        'Painting boxes on an image of six bands',
        'Satellites record more than three bands.',
        handled='The first three bands are painted on.',
        scope='mmdet',
        damage=six_boxes,
        tools=('test', 'infer'),
        config=SIX,
        argv=('--show-dir', '{folder}/out'),
        check=painted,
    ),
]
