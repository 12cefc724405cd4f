"""`--cfg-options` of keys that nothing reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from fec_mm.cli import test, train
from fec_mm.cli.unread import RUNNER, unread_options
from tests.tools.tiny import make_config, make_data

ROOT = Path(__file__).parents[2]


def config(**more: Any) -> Config:
    pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
    dataset = dict(type='CustomDataset', data_root='data/x', pipeline=pipeline)
    return Config(
        dict(
            model=dict(type='M', head=dict(num_classes=3)),
            train_dataloader=dict(batch_size=4, dataset=dataset),
            val_dataloader=dict(batch_size=8, dataset=dict(dataset, data_root='data/y')),
            train_cfg=dict(max_epochs=3),
            data_root='data/x',
            train_pipeline=pipeline,
            data_preprocessor=dict(num_classes=3),
            **more,
        )
    )


@pytest.mark.parametrize(
    ('key', 'near'),
    [
        ('data_root', 'train_dataloader.dataset.data_root'),  # of the two with the name, the one with the value
        ('batch_size', 'train_dataloader.batch_size or val_dataloader.batch_size'),
        ('train_pipeline.0.type', 'train_dataloader.dataset.pipeline.0.type or val_dataloader.dataset.pipeline.0.type'),
        ('trian_cfg.max_epochs', 'train_cfg.max_epochs'),
        ('max_epochs', 'train_cfg.max_epochs'),
        ('optim_wraper', 'optim_wrapper'),
    ],
)
def test_nearest_key_is_named(key: str, near: str) -> None:
    (line,) = unread_options(config(), {key: 1})
    assert line.startswith(f'--cfg-options {key} changes nothing') and line.endswith(f'did you mean {near}?')


@pytest.mark.parametrize(
    'key',
    [
        'model.head.num_classes',
        'train_cfg.max_epochs',
        'load_from',
        'randomness.seed',
        'tta_model.type',
        'data_preprocessor.num_classes',
        'work_dir',
        'compile',
        'custom_hooks',
    ],
)
def test_what_is_read_is_not_warned_of(key: str) -> None:
    assert unread_options(config(), {key: 1}) == []


def test_preprocessor_that_the_model_has_of_its_own() -> None:
    cfg = config()
    cfg.model.data_preprocessor = dict(num_classes=3)
    (line,) = unread_options(cfg, {'data_preprocessor.num_classes': 5})
    assert 'did you mean model.data_preprocessor.num_classes?' in line


def test_nothing_like_it() -> None:
    (line,) = unread_options(config(), {'qqqq': 5})
    assert line.endswith('correct its name, unless code of yours reads it')


def test_the_runner_reads_what_is_listed() -> None:
    """Of mmengine's own source: every argument of a runner that a config fills in."""
    import inspect

    from mmengine.runner import Runner

    arguments = set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'}
    assert arguments <= RUNNER


def test_configs_of_this_project_hold_no_other_keys_that_are_read() -> None:
    """Variables of a config have other names than what is read: an override of one would be taken for the other."""
    cfg = Config.fromfile(ROOT / 'configs/quickstart/detection.py')
    assert {'model', 'train_dataloader', 'optim_wrapper', 'default_hooks'} <= set(cfg) & RUNNER


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('unread')
    make_data(path, images=4)
    return path


def test_training_warns_and_goes_on(
    root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config_file = make_config(root, 'mmpretrain', "data_root = '{root}/data'\n".replace('{root}', str(root)), tmp_path)
    argv = [
        str(config_file),
        '--work-dir',
        str(tmp_path / 'work'),
        '--cfg-options',
        'train_cfg.max_epochs=1',
        'data_root=/none',
    ]
    train.main(argv)
    said = capfd.readouterr().err
    assert said.count('changes nothing') == 1
    assert (
        'warning: --cfg-options data_root changes nothing, as no part of the training or test reads it: did you mean '
        'train_dataloader.dataset.data_root or ' in said
    )
    assert (tmp_path / 'work/epoch_1.pth').is_file()
    monkeypatch.setenv('RANK', '1')
    test.main([str(config_file), str(tmp_path / 'work/epoch_1.pth'), *argv[1:]])
    assert 'changes nothing' not in capfd.readouterr().err  # of another process
