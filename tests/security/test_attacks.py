"""A pickle that would run code, through every entry point that reads a checkpoint: it does not run."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from fec_mm.apis import get_model
from fec_mm.cli import train
from fec_mm.cli.explain import explain
from tests.catalogue.case import COLOUR, SHORT, Place, command, prepare
from tests.catalogue.checkpoints import ATTACK, LOAD, Attack, hostile
from tests.tools.tiny import make_config

Checkpoints = Callable[[str], Path]


@pytest.fixture
def place(root: Path, tmp_path: Path, checkpoints: Checkpoints) -> Place:
    """A folder whose checkpoint, `given.pth`, is hostile; touching `attacked` is what it would do."""
    return prepare(ATTACK, root, tmp_path, checkpoints('mmpretrain'))


def with_config(place: Place, extra: str) -> Place:
    make_config(place.folder, place.scope, SHORT + COLOUR + extra.format(folder=place.folder), place.folder)
    return place


def resume(place: Place) -> None:
    (place.folder / 'work/last_checkpoint').write_text(str(place.given['checkpoint']))
    train.main([str(place.config), '--work-dir', f'{place.folder}/work', '--resume'])


def untrained(place: Place) -> None:
    """The visualizer without a checkpoint, whose `init_cfg` has one."""
    with_config(place, LOAD['init_cfg'])
    from tests.catalogue.case import tool

    tool('visualization/visualize_clusters.py').main(
        [str(place.config), str(place.image), '--out-dir', f'{place.folder}/out']
    )


ENTRIES: dict[str, Callable[[Place], object]] = {
    'train --resume FILE': lambda p: command('train', p, ('--resume', '{checkpoint}'))(),
    'load_from': lambda p: command('train', with_config(p, LOAD['load_from']), ())(),
    'init_cfg': lambda p: command('train', with_config(p, LOAD['init_cfg']), ())(),
    'init_cfg of a head': lambda p: command(
        'train',
        with_config(p, "model['head']['init_cfg'] = [dict(type='Pretrained', checkpoint='{folder}/given.pth')]\n"),
        (),
    )(),
    'test': lambda p: command('test', p, ())(),
    'convert': lambda p: command('convert', p, ())(),
    'infer': lambda p: command('infer', p, ())(),
    'visualize': lambda p: command('visualize', p, ())(),
    'visualize, init_cfg': untrained,
    'probe': lambda p: command('probe', p, ())(),
    'get_model': lambda p: get_model(p.config, p.given['checkpoint'], 'cpu'),
}


@pytest.mark.parametrize('entry', ENTRIES)
def test_attack_is_refused(place: Place, entry: str) -> None:
    with pytest.raises(Exception) as error:
        ENTRIES[entry](place)
    assert not (place.folder / 'attacked').exists()
    line = explain(error.value) or ''
    assert 'holds more than weights and is not loaded' in line or 'could run code' in line, line


def test_attack_is_not_resumed(place: Place) -> None:
    """Whether `--resume` without a path passes over such a checkpoint or refuses it."""
    try:
        resume(place)
    except Exception as error:
        assert explain(error) is not None
    assert not (place.folder / 'attacked').exists()


def test_the_config_in_a_checkpoint_is_not_run(place: Place) -> None:
    """mmengine would parse it, as Python, to compare a number of GPUs."""
    content = torch.load(place.checkpoint, weights_only=False)
    code = f"x = __import__('pathlib').Path('{place.folder}/attacked').touch()"
    content['meta'] = dict(epoch=1, iter=4, config=code)
    torch.save({**content, 'optimizer': {}, 'message_hub': {}}, place.folder / 'given.pth')
    with contextlib.suppress(AssertionError):  # of the message hub, which comes later
        train.main(
            [str(place.config), '--work-dir', f'{place.folder}/work', '--resume', str(place.folder / 'given.pth')]
        )
    assert not (place.folder / 'attacked').exists()


def test_attack_from_an_address(place: Place) -> None:
    """torch.hub loads what it has fetched with pickle unless told otherwise; the server is this machine."""
    handler = partial(SimpleHTTPRequestHandler, directory=place.folder)
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv('TORCH_HOME', str(place.folder / 'hub'))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place.given['checkpoint'] = f'http://127.0.0.1:{server.server_port}/given.pth'  # type: ignore[assignment]
        with pytest.raises(Exception) as error:
            command('test', place, ())()
        server.shutdown()
    assert not (place.folder / 'attacked').exists()
    assert 'holds more than weights' in (explain(error.value) or '')


def test_eval_cluster_maps(root: Path, tmp_path: Path, checkpoints: Checkpoints) -> None:
    place = Place(tmp_path, 'mmseg', checkpoints('mmseg'))
    make_config(root, 'mmseg', SHORT, tmp_path)
    torch.save(hostile(place), tmp_path / 'given.pth')
    place.given['checkpoint'] = tmp_path / 'given.pth'
    with pytest.raises(Exception, match='holds more than weights'):
        command('eval_cluster_maps', place, ())()
    assert not (tmp_path / 'attacked').exists()


def test_the_attack_works_where_nobody_is_careful(tmp_path: Path) -> None:
    torch.save(Attack(tmp_path / 'attacked'), tmp_path / 'x.pth')
    torch.load(tmp_path / 'x.pth', weights_only=False)
    assert (tmp_path / 'attacked').exists()
