"""Data sets of configs, before they are built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from mmpretrain.datasets import CustomDataset
from PIL import Image

from fec_mm.datasets.image_suffixes import image_suffixes, passed_over
from fec_mm.datasets.settings import prepare_datasets
from fec_mm.errors import UserError


def config(dataset: dict[str, Any], scope: str = 'mmpretrain') -> Config:
    return Config(dict(default_scope=scope, train_dataloader=dict(dataset=dataset)))


@pytest.mark.parametrize(
    'wrap',
    [
        lambda d: d,
        lambda d: dict(type='RepeatDataset', times=2, dataset=d),
        lambda d: dict(type='ConcatDataset', datasets=[d]),
    ],
)
def test_one_name_is_no_list(wrap: Any, tmp_path: Path) -> None:
    (tmp_path / 'classes.txt').write_text('a\nb\n')
    for good in (('box',), ['a', 'b'], str(tmp_path / 'classes.txt'), 's3://x/classes.txt'):
        prepare_datasets(config(wrap(dict(type='CocoDataset', metainfo=dict(classes=good))), 'mmdet'))
    for scope, bad in (
        ('mmdet', dict(metainfo=dict(classes='box'))),
        ('mmpretrain', dict(classes='box')),
        ('mmseg', dict(metainfo=dict(classes='box'))),
    ):
        with pytest.raises(UserError, match=r"metainfo\.classes='box' is neither .*: write classes=\('box', \)"):
            prepare_datasets(config(wrap(dict(type='CocoDataset', **bad)), scope))
    with pytest.raises(UserError):
        prepare_datasets(config(wrap(dict(type='CocoDataset', metainfo=dict(classes='name, ' * 100))), 'mmdet'))


@pytest.mark.parametrize(
    ('kind', 'taken'),
    [
        ('CustomDataset', True),
        ('mmpretrain.ImageNet', True),
        (CustomDataset, True),
        ('CIFAR10', False),
        ('fec_mm.CustomDataset', False),
    ],
)
def test_extensions(kind: Any, taken: bool) -> None:
    cfg = config(dict(type=kind))
    prepare_datasets(cfg)
    assert (cfg.train_dataloader.dataset.get('extensions') == image_suffixes()) == taken
    cfg = config(dict(type=kind, extensions=('.png',)))
    prepare_datasets(cfg)
    assert cfg.train_dataloader.dataset.extensions == ('.png',)
    cfg = config(dict(type=kind), scope='mmdet')
    prepare_datasets(cfg)
    assert 'extensions' not in cfg.train_dataloader.dataset


def test_every_image_is_taken_and_can_be_read(tmp_path: Path) -> None:
    from mmcv.transforms import LoadImageFromFile

    folder = tmp_path / 'a'
    folder.mkdir()
    for suffix in image_suffixes():
        Image.new('RGB', (8, 6), 'red').save(folder / f'x{suffix}')
    for name in ('notes.txt', 'photo.HEIC', 'drawing.svg'):
        (folder / name).touch()
    cfg = config(dict(type='CustomDataset', data_root=str(tmp_path)))
    prepare_datasets(cfg)
    settings = dict(cfg.train_dataloader.dataset)
    settings.pop('type')
    data = CustomDataset(**settings)
    assert len(data) == len(image_suffixes()) >= 11
    line = passed_over(data)
    assert line is not None
    assert line.startswith(f'{tmp_path}/: 2 images, such as drawing.svg, do not end in .bmp, ')
    assert line.endswith('.webp and are passed over: rename or convert them, or correct extensions')
    for i in range(len(data)):
        image = LoadImageFromFile()(data.get_data_info(i))['img']
        assert image.shape == (6, 8, 3)
        assert abs(image.astype(int) - [0, 0, 255]).max() <= 8  # JPEG and WebP are not exact


class Maps:
    """As mmseg's."""

    def __init__(self, folder: Path, img_suffix: str = '.jpg') -> None:
        self.data_prefix, self.ann_file = dict(img_path=str(folder)), ''
        self.img_suffix, self.seg_map_suffix = img_suffix, '_map.png'


def test_images_of_another_suffix_are_counted(tmp_path: Path) -> None:
    (tmp_path / 'deep').mkdir()
    for name in ('a.jpg', 'a_map.png', 'b.JPG', 'deep/c.webp', 'notes.txt', '._a.png'):
        (tmp_path / name).touch()
    assert passed_over(Maps(tmp_path)) == (
        f'{tmp_path}: 2 images, such as b.JPG, do not end in .jpg and are passed over: rename or convert them, or '
        f'correct '
        'img_suffix'
    )
    for path in (tmp_path / 'b.JPG', tmp_path / 'deep/c.webp'):
        path.unlink()
    assert passed_over(Maps(tmp_path)) is None
    assert passed_over(object()) is None
    assert passed_over(Maps(tmp_path / 'none')) is None
