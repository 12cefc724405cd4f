"""Folders and files that begin with a dot, as the toolboxes list them."""

from __future__ import annotations

from pathlib import Path

from mmengine.fileio import LocalBackend, list_dir_or_file
from mmpretrain.datasets import CustomDataset
from mmseg.datasets import BaseSegDataset

from fec_mm.compat.hidden import is_hidden, pass_over_hidden
from tests.tools.tiny import make_data


def litter(root: Path) -> None:
    """What notebooks and Macs leave behind, in every folder."""
    for folder in [path for path in root.rglob('*') if path.is_dir()]:
        (folder / '.ipynb_checkpoints').mkdir()
        (folder / '__MACOSX').mkdir()
        for path in list(folder.glob('*.png')):
            (folder / '.ipynb_checkpoints' / f'{path.stem}-checkpoint.png').write_bytes(path.read_bytes())
            (folder / f'._{path.name}').write_bytes(b'\0\5\26\7')


def test_hidden_paths() -> None:
    assert not any(map(is_hidden, ('a.png', 'a/b.c', 'a b/c_.png', 'MACOSX/a.png')))
    assert all(map(is_hidden, ('.a', 'a/.b/c.png', '__MACOSX', '@eaDir/a.jpg/THUMB.jpg')))


def test_data_sets_are_those_without(tmp_path: Path) -> None:
    make_data(tmp_path, 4)

    def read() -> tuple:
        folders = CustomDataset(data_root=str(tmp_path / 'data'), data_prefix='classes')
        maps = BaseSegDataset(
            data_root=str(tmp_path / 'data'),
            data_prefix=dict(img_path='images', seg_map_path='maps'),
            img_suffix='.png',
            metainfo=dict(classes=('ground', 'square')),
        )
        return folders.metainfo['classes'], [[data[i] for i in range(len(data))] for data in (folders, maps)]

    before = read()
    litter(tmp_path / 'data')
    assert read() == before
    assert before[0] == ('left', 'right')


def test_a_data_set_may_lie_below_a_hidden_folder(tmp_path: Path) -> None:
    folder = tmp_path / '.cache/data'
    folder.mkdir(parents=True)
    (folder / 'a.png').touch()
    assert list(list_dir_or_file(folder)) == ['a.png']


def test_is_done_once() -> None:
    listed = LocalBackend.list_dir_or_file
    pass_over_hidden()
    assert LocalBackend.list_dir_or_file is listed
