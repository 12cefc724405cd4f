"""What a training writes, torch's weights-only loader reads."""

from __future__ import annotations

import datetime
import pathlib
from collections import OrderedDict, defaultdict, deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer

from fec_mm import compat
from fec_mm.checkpoints.loadable import loadable
from fec_mm.checkpoints.reading import RESUMABLE, check_checkpoint
from fec_mm.errors import UserError
from tests.engine.small import make_runner
from tests.tools.commands import load


class Own:
    """Of a user."""


OTHERS: dict[str, Any] = {
    'range': range(3),
    'path': pathlib.Path('x'),
    'deque': deque([1]),
    'frozenset': frozenset([1]),
    'slice': slice(1),
    'default dict': defaultdict(int, a=1),
    'objects': np.array([None, 'a'], dtype=object),
    'time': datetime.datetime(2000, 1, 1),
    'dates': np.array(['2000-01-01'], dtype='datetime64[D]'),
    'fields': np.zeros(2, dtype='i4,f4'),
    'own': Own(),
    'function': lambda: 1,
    'in a list': [1, range(2)],
    'in a tuple': ((1, [pathlib.Path('x')]),),
    'type': Own,
}
LOADABLE: dict[str, Any] = {
    'numbers': [1, 2.5, True, None, 10**30, 1j],
    'text': ('a', 'ä'),
    'tensors': OrderedDict(w=torch.ones(2), p=torch.nn.Parameter(torch.ones(1))),
    'arrays': [np.ones(2), np.float32(1), np.array(['a'])],
    'buffer': {'loss': HistoryBuffer([1.0], [1])},
    'set': {1, 2},
    'size': torch.Size([1]),
    'keys': {1: 2, (1, 'a'): 3},
}


@pytest.fixture(autouse=True)
def _globals() -> None:
    compat.allow_checkpoint_globals()


@pytest.mark.parametrize('name', OTHERS)
def test_what_is_not_loaded_again_is_left_out(tmp_path: Path, name: str) -> None:
    content = {'a': {'b': OTHERS[name], 'c': 1}, 'd': [{'e': OTHERS[name], 'f': torch.ones(1)}]}
    left_out: dict[str, str] = {}
    kept = loadable(content, left_out)
    assert len(content['a']) == 2  # what is saved belongs to others
    assert kept == {'a': {'c': 1}, 'd': [{'f': torch.ones(1)}]}
    assert {key.split('.b')[0] for key in left_out if key.startswith('a')} == {'a'}
    assert {key[:5] for key in left_out if key.startswith('d')} == {'d.0.e'}
    torch.save(kept, tmp_path / 'x.pth')
    check_checkpoint(str(tmp_path / 'x.pth'))


@pytest.mark.parametrize('name', LOADABLE)
def test_what_is_loaded_again_is_left_alone(name: str) -> None:
    left_out: dict[str, str] = {}
    assert loadable(LOADABLE[name], left_out) is LOADABLE[name]
    assert left_out == {}


def test_dicts_of_configs_become_dicts() -> None:
    kept = loadable({'info': ConfigDict(a=ConfigDict(b=1))}, {})
    assert kept == {'info': {'a': {'b': 1}}}
    assert [type(kept['info']), type(kept['info']['a'])] == [dict, dict]


class Keeping(Hook):
    """Keeps things where a checkpoint gets them from."""

    priority = 'LOWEST'

    def __init__(self, from_epoch: int = 0) -> None:
        self.from_epoch = from_epoch

    def before_run(self, runner: Any) -> None:
        runner.train_dataloader.dataset.metainfo = {'classes': ('a',), 'pages': range(9)}

    def before_train_epoch(self, runner: Any) -> None:
        if runner.epoch >= self.from_epoch:
            runner.message_hub.update_info('when', datetime.datetime(2000, 1, 1))

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        checkpoint['where'] = pathlib.Path('x')


@pytest.mark.parametrize('from_epoch', [0, 1])
def test_a_training_can_be_continued(tmp_path: Path, from_epoch: int) -> None:
    """Also if what cannot be loaded comes after the first checkpoint; each thing is named once."""
    runner = make_runner(tmp_path, Keeping(from_epoch), epochs=2, checkpoint=dict(max_keep_ckpts=5))
    said: list[str] = []
    runner.logger.warning = said.append  # type: ignore[method-assign]
    runner.train()
    text = ' '.join(said)
    for name in (
        'meta.dataset_meta.pages (range)',
        'message_hub.runtime_info.dataset_meta.pages (range)',
        'where (PosixPath)',
        'message_hub.runtime_info.when (datetime)',
    ):
        assert text.count(name) == 1
    for epoch in (1, 2):
        check_checkpoint(str(tmp_path / f'epoch_{epoch}.pth'), RESUMABLE)
    assert load(tmp_path / 'epoch_2.pth')['meta']['dataset_meta'] == {'classes': ('a',)}
    make_runner(tmp_path, Keeping(), epochs=3, resume=True, load_from=str(tmp_path / 'epoch_2.pth')).train()
    assert load(tmp_path / 'epoch_3.pth')['meta']['iter'] == 12


def test_weights_that_are_not_loaded_again_are_an_error_at_the_first_checkpoint(tmp_path: Path) -> None:
    runner = make_runner(tmp_path)
    model: Any = runner.model
    model.first.__class__ = type('Extra', (torch.nn.Linear,), dict(get_extra_state=lambda self: pathlib.Path('x')))
    with pytest.raises(
        UserError, match=r'state_dict\.first\._extra_state, of type PosixPath, could not be loaded again'
    ):
        runner.train()
    assert (runner.epoch, list(tmp_path.glob('*.pth'))) == (0, [])


def test_something_that_contains_itself_is_no_reason_to_stop(tmp_path: Path) -> None:
    class Circle(Hook):
        def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
            checkpoint['circle'] = []
            checkpoint['circle'].append(checkpoint['circle'])

    make_runner(tmp_path, Circle(), epochs=1).train()
    check_checkpoint(str(tmp_path / 'epoch_1.pth'), RESUMABLE)


def test_the_first_checkpoint_is_read_as_a_resume_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what that says is said then, once; the training goes on."""
    said: list[str] = []

    def refuse(path: str) -> None:
        said.append(path)
        raise UserError(f'checkpoint {path} is damaged')

    monkeypatch.setattr('fec_mm.engine.hooks.loadable_hook.check_checkpoint', refuse)
    runner = make_runner(tmp_path, epochs=2)
    warned: list[str] = []
    runner.logger.warning = warned.append  # type: ignore[method-assign]
    runner.train()
    assert said == [str(tmp_path / 'epoch_1.pth')]
    assert [line for line in warned if 'could not be continued from its first checkpoint' in line and 'damaged' in line]
