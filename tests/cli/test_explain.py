"""Exceptions of libraries, raised by the libraries themselves, and what a user reads instead."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import mmengine.runner  # noqa: F401  # what a tool has imported: it fills the registries
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.dataset import BaseDataset
from mmengine.registry import HOOKS, MODELS, OPTIM_WRAPPER_CONSTRUCTORS, Registry
from torch import nn
from torch._utils import ExceptionWrapper

from fec_mm.cli.explain import explain
from fec_mm.cli.explain_files import data_hint

PLAIN = Registry('plain', scope='mmengine')


@PLAIN.register_module()
class Picky:
    """Has settings that can contradict each other."""

    def __init__(self, depths: tuple[int, ...] = (1, 2), bug: str = '') -> None:
        if bug == 'index':
            depths[9]
        if bug == 'type':
            len(3)  # type: ignore[arg-type]
        if len(depths) != 2:
            raise ValueError(f'depths {depths} must have 2 elements,\n one per stage')


def line(run: Callable[[], Any]) -> str | None:
    """What is made of the exception of `run`."""
    try:
        run()
    except Exception as error:
        return explain(error)
    raise AssertionError('nothing was raised')


def test_contradicting_settings() -> None:
    assert (
        line(lambda: PLAIN.build(dict(type='Picky', depths=(1,))))
        == 'Picky: depths (1,) must have 2 elements, one per stage (correct the config)'
    )
    assert 'unexpected keyword argument' in (line(lambda: PLAIN.build(dict(type='Picky', width=3))) or '')


@pytest.mark.parametrize('bug', ['index', 'type'])
def test_bug_in_a_constructor_is_not_a_mistake_of_the_user(bug: str) -> None:
    assert line(lambda: PLAIN.build(dict(type='Picky', bug=bug))) is None


def test_the_same_exception_outside_of_a_config_is_not_explained() -> None:
    assert line(lambda: Picky(depths=())) is None


def test_unknown_types_suggest_the_nearest() -> None:
    text = line(lambda: HOOKS.build(dict(type='CheckpointHok'))) or ''
    # Of mmengine, or of whatever toolbox another test has made the default.
    assert text.startswith("type='CheckpointHok' in the config is no hook of ")
    assert text.endswith(": did you mean 'CheckpointHook'?")
    assert "did you mean 'fec_mm.FEC'" in (line(lambda: MODELS.build(dict(type='fec_mm.Fec'))) or '')
    assert 'custom_imports' in (line(lambda: HOOKS.build(dict(type='Qqqq'))) or '')
    constructor = OPTIM_WRAPPER_CONSTRUCTORS.get('DefaultOptimWrapperConstructor')(
        dict(type='OptimWrapper', optimizer=dict(type='sgd', lr=1))
    )
    assert "did you mean 'SGD'?" in (line(lambda: constructor(nn.Linear(1, 1))) or '')


def test_layers_that_do_not_fit_are_named() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ModuleList([nn.Conv2d(2, 5, 1)])[0])
    text = line(lambda: nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 6))(torch.zeros(1, 3))) or ''
    assert text.startswith('Sequential.1 (Linear: in_features=5, out_features=6, bias=True): mat1 and mat2')
    assert (line(lambda: model(torch.zeros(1, 3, 3, 3))) or '').startswith('Sequential.1 (Conv2d: 2, 5')
    assert line(lambda: torch.zeros(1, 3) @ torch.zeros(4, 1)) is None


def test_missing_setting() -> None:
    assert line(lambda: ConfigDict(a=1).b) == "the model needs 'b' from the config, which does not have it: add it"
    assert line(lambda: {}['b']) is None


@pytest.mark.parametrize(
    ('error', 'expected'),
    [
        (AssertionError('failed to load image: a b/c.png'), 'a b/c.png is not a readable image: replace it'),
        (FileNotFoundError(2, 'No such file or directory', 'x/y.png'), 'x/y.png does not exist: correct the path'),
        (ValueError('a bug'), None),
    ],
)
def test_exceptions_of_loader_workers_are_unpacked(error: Exception, expected: str | None) -> None:
    def fail() -> None:
        raise error

    def fail_in_worker() -> None:  # as torch/utils/data/_utils/worker.py does
        try:
            fail()
        except Exception:
            wrapper = ExceptionWrapper(where='in DataLoader worker process 0')
        wrapper.reraise()

    assert line(fail) == expected
    assert line(fail_in_worker) == expected


def test_empty_dataset() -> None:
    class Nothing(BaseDataset):
        def load_data_list(self) -> list:
            return []

    assert (
        line(lambda: Nothing(ann_file='a.txt', pipeline=[]))
        == 'a.txt gives no sample to Nothing: check the annotations, metainfo.classes, the image folder and filter_cfg'
    )


def test_missing_packages() -> None:
    assert "pip install 'setuptools<81'" in (explain(ModuleNotFoundError('No module', name='pkg_resources')) or '')
    assert '--no-build-isolation' in (explain(ModuleNotFoundError('No module', name='mmcv._ext')) or '')
    assert '`make setup` compiles them' in (explain(ModuleNotFoundError('No module', name='mmcv.ops')) or '')
    assert explain(ModuleNotFoundError('No module', name='os.path')) is None


def test_data_sets_we_know_come_with_advice() -> None:
    assert data_hint('data/digits/train') == ': make it with `python tools/dataset_converters/digits.py`'
    assert data_hint('data/digit_scenes/val.json').endswith('digit_scenes.py`')
    assert 'ADEChallengeData2016.zip' in data_hint('/x/data/ade/ADEChallengeData2016/images')
    assert data_hint('data/others') == ''
    assert data_hint('mydata/digits.txt') == ''


def test_a_pickle_that_is_no_checkpoint_is_not_called_one() -> None:
    with pytest.raises(pickle.UnpicklingError) as caught:
        pickle.loads(pickle.dumps(b'x' * 99)[:-9])
    assert explain(caught.value) is None


class Early(nn.Module):
    """Refuses its setting before it is a module."""

    def __init__(self) -> None:
        raise ValueError('Early: lengths differ')


def test_a_module_that_is_none_yet() -> None:
    with pytest.raises(ValueError) as caught:
        Early()
    assert explain(caught.value) is None  # not while a config is built
