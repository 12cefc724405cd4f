"""Outputs stay in the folders that the user named, whatever images and classes are called; nobody calls home."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fec_mm.cli import test, train
from tests.catalogue.case import Case, command, prepare
from tests.tools.commands import run

Checkpoints = Callable[[str], Path]
EVIL = '../../escaped', '/tmp/escaped/x'


def all_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob('*') if not path.is_dir()}


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder two levels below another, nothing beside it afterwards; the working directory is elsewhere and stays
    empty."""
    folder, here = tmp_path / 'outer/middle/inner', tmp_path / 'here'
    folder.mkdir(parents=True)
    here.mkdir()
    monkeypatch.chdir(here)
    yield folder
    assert list(here.iterdir()) == []
    assert [path.name for path in (tmp_path / 'outer').iterdir()] == ['middle']
    assert [path.name for path in (tmp_path / 'outer/middle').iterdir()] == ['inner']
    assert sorted(path.name for path in tmp_path.iterdir()) == ['here', 'outer']


@pytest.mark.parametrize('way', ['relative', 'absolute'])
def test_images_named_by_annotations(root: Path, inside: Path, checkpoints: Checkpoints, way: str) -> None:
    """Of mmdet, whose annotation file says where images are: read from there, but painted in the folder named."""
    place = prepare(Case('', '', scope='mmdet'), root, inside, checkpoints('mmdet'))
    shutil.move(str(place.data / 'images'), str(inside / 'elsewhere'))
    names = '../../elsewhere/{}' if way == 'relative' else str(inside / 'elsewhere') + '/{}'
    (place.data / 'images').mkdir()
    place.boxes(lambda coco: [image.update(file_name=names.format(image['file_name'])) for image in coco['images']])
    before = all_files(inside)
    test.main(
        [
            str(place.config),
            str(place.checkpoint),
            '--work-dir',
            f'{inside}/work',
            '--show-dir',
            f'{inside}/shown',
            '--out',
            f'{inside}/out/result.pkl',
        ]
    )
    new = all_files(inside) - before
    assert {name.split('/')[0] for name in new} == {'work', 'shown', 'out'}
    assert len([name for name in new if name.startswith('shown/') and name.endswith('.png')]) == 4


@pytest.mark.parametrize('scope', ['mmpretrain', 'mmdet', 'mmseg'])
def test_classes_called_like_paths(root: Path, inside: Path, checkpoints: Checkpoints, scope: str) -> None:
    extra = {
        'mmpretrain': f'for loader in train_dataloader, test_dataloader:\n'
        f"    loader['dataset'].update(metainfo=dict(classes={EVIL}), data_prefix='', ann_file='list.txt')\ndel "
        f'loader\n',
        'mmdet': "train_dataloader['dataset']['metainfo'] = dict(classes=('../../escaped', ))\n"
        "test_dataloader['dataset']['metainfo'] = dict(classes=('../../escaped', ))\ntest_evaluator['classwise'] = "
        'True\n',
        'mmseg': f"train_dataloader['dataset']['metainfo']['classes'] = {EVIL}\n",
    }[scope]
    place = prepare(Case('', '', scope=scope, config=extra), root, inside, checkpoints(scope))
    if scope == 'mmdet':
        place.boxes(lambda coco: coco['categories'][0].update(name='../../escaped'))
    names = sorted((place.data / 'classes').glob('*/*.png'))
    (place.data / 'list.txt').write_text(
        ''.join(f'{path.relative_to(place.data)} {i % 2}\n' for i, path in enumerate(names))
    )
    before = all_files(inside)
    train.main([str(place.config), '--work-dir', f'{inside}/work'])
    test.main(
        [
            str(place.config),
            f'{inside}/work/epoch_1.pth',
            '--work-dir',
            f'{inside}/work',
            '--show-dir',
            f'{inside}/shown',
        ]
    )
    assert {name.split('/')[0] for name in all_files(inside) - before} == {'work', 'shown'}


def test_pictures_of_clusters(root: Path, inside: Path, checkpoints: Checkpoints) -> None:
    place = prepare(Case('', ''), root, inside, checkpoints('mmpretrain'))
    before = all_files(inside)
    os.link(place.image, place.image.with_name('..\\..\\$x$ %s {0}.png'))
    command('infer', place, ())()
    command('visualize', place, ('--out-dir', '{folder}/shown', '--html'))()
    new = {name for name in all_files(inside) - before if not name.startswith('data/')}
    assert {name.split('/')[0] for name in new} == {'out', 'shown'}


class Blocked:
    """Connections beyond this machine, refused and counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[object] = []
        connect = socket.socket.connect

        def guarded(sock: socket.socket, address: object) -> None:
            if sock.family == socket.AF_UNIX or (
                isinstance(address, tuple) and address[0] in ('127.0.0.1', '::1', 'localhost')
            ):
                return connect(sock, address)  # type: ignore[arg-type]
            self.asked.append(address)
            raise OSError('blocked')

        def lookup(host: object, *args: object, **kwargs: object) -> list:
            self.asked.append(host)
            raise OSError('blocked')

        monkeypatch.setattr(socket.socket, 'connect', guarded)
        monkeypatch.setattr(socket.socket, 'connect_ex', guarded)
        monkeypatch.setattr(socket, 'getaddrinfo', lookup)


@pytest.mark.parametrize('entry', ['train', 'test', 'infer', 'visualize'])
def test_nobody_calls_home(
    root: Path, tmp_path: Path, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    place = prepare(Case('', ''), root, tmp_path, checkpoints('mmpretrain'))
    blocked = Blocked(monkeypatch)
    with pytest.raises(OSError, match='blocked'):
        socket.create_connection(('192.0.2.1', 80))
    assert len(blocked.asked) == 1
    command(entry, place, ())()
    assert len(blocked.asked) == 1


SITE = """
import json, os, socket
def refuse(*args, **kwargs):
    with open(os.environ['ASKED'], 'a') as file: file.write(repr(args[-1]) + chr(10))
    raise OSError('blocked')
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
"""


@pytest.mark.faults
@pytest.mark.parametrize('scope', ['mmpretrain', 'mmdet', 'mmseg'])
def test_imports_do_not_call_home(root: Path, tmp_path: Path, checkpoints: Checkpoints, scope: str) -> None:
    place = prepare(Case('', '', scope=scope), root, tmp_path, checkpoints(scope))
    argv = ['tools/train.py', str(place.config), '--work-dir', str(tmp_path / 'w')]
    code = f"import runpy, sys\nsys.argv = {argv!r}\nrunpy.run_path(sys.argv[0], run_name='__main__')"
    done = run(sys.executable, '-c', SITE + code, ASKED=str(tmp_path / 'asked'))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / 'asked').exists(), (tmp_path / 'asked').read_text()
