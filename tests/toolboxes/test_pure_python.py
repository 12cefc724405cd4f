"""Configs of classes instead of names, as with `read_base`: everything that the tools do with others."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine import registry
from mmengine.config import Config
from PIL import Image

from fec_mm.apis import FECInferencer, get_model
from fec_mm.cli import test, train
from fec_mm.toolboxes.configs import read_config
from fec_mm.toolboxes.pure_python import with_names
from fec_mm.toolboxes.table import TOOLBOXES
from tests.tools.commands import tool
from tests.tools.tiny import TASKS, make_config, make_data

SCOPES = dict(zip(TASKS, ('classification', 'detection', 'segmentation')))
COLOUR = """
model['backbone'].update(type='fec_mm.FEC', in_channels=3)
model['data_preprocessor'] = dict(num_classes=2, mean=[127.] * 3, std=[127.] * 3, to_rgb=True)
train_pipeline[0].pop('color_type')
"""
SHORT = "train_cfg['max_epochs'] = 1\ndefault_hooks['checkpoint']['save_best'] = None\n"
AMP = "optim_wrapper.update(type='AmpOptimWrapper', loss_scale='dynamic')\n"


def class_of(name: str, scope: str) -> Any:
    """What a config of a scope means by a type; None where it is no registry that looks it up."""
    import_module(f'{scope}.registry')
    for root in vars(registry).values():
        if isinstance(root, registry.Registry):
            own = root.children.get(scope, root)
            own.import_from_location()
            found = (
                own.get(name)
                if name.partition('.')[0] == 'fec_mm'
                else own.module_dict.get(name, root.module_dict.get(name))
            )
            if found is not None:
                return found
    return None


def as_pure_python(named: Path, scope: str, default_scope: str | None) -> None:
    """Rewrite a config file into one of classes, in two files."""
    cfg = Config.fromfile(named)
    imports = []

    def code(node: Any) -> str:
        if isinstance(node, dict):
            parts = []
            for key, value in node.items():
                kind = class_of(value, scope) if key == 'type' else None
                if kind is not None:
                    alias = f'{kind.__name__}_{len(imports)}'
                    imports.append(f'from {kind.__module__} import {kind.__name__} as {alias}')
                    parts.append(f'{key!r}: {alias}')
                else:
                    parts.append(f'{key!r}: {code(value)}')
            return '{' + ', '.join(parts) + '}'
        if isinstance(node, (list, tuple)):
            return f'{type(node).__name__}([' + ', '.join(map(code, node)) + '])'
        return repr(node)

    lines = [f'{key} = {code(value)}' for key, value in cfg.items() if key not in ('default_scope', 'norm', 'fec')]
    named.with_name('pure_base.py').write_text('\n'.join([*imports, *lines, f'default_scope = {default_scope!r}', '']))
    named.write_text('from mmengine.config import read_base\n\nwith read_base():\n    from .pure_base import *\n')


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('pure')
    make_data(path, images=4)
    return path


@pytest.fixture(scope='module')
def trained(root: Path) -> Callable[[str], tuple[Path, Path]]:
    """Of a toolbox: a pure Python config without a scope, in mixed precision, and the checkpoint of a training with
    it."""
    done: dict[str, tuple[Path, Path]] = {}

    def get(scope: str) -> tuple[Path, Path]:
        if scope not in done:
            folder = root / scope
            folder.mkdir()
            config = make_config(root, scope, (COLOUR if scope == 'mmpretrain' else '') + SHORT + AMP, folder)
            as_pure_python(config, scope, None)
            train.main([str(config), '--work-dir', str(folder / 'work')])
            done[scope] = config, folder / 'work/epoch_1.pth'
        return done[scope]

    return get


@pytest.mark.parametrize('scope', TASKS)
@pytest.mark.parametrize('default_scope', [True, False])
def test_names_come_back(root: Path, tmp_path: Path, scope: str, default_scope: bool) -> None:
    config = make_config(root, scope, AMP, tmp_path)
    before = Config.fromfile(config).to_dict()
    as_pure_python(config, scope, scope if default_scope else None)
    after = read_config(str(config)).to_dict()
    for key in ('norm', 'fec'):
        before.pop(key, None)
    assert after == before
    again = Config.fromfile(config)
    assert not isinstance(again.model.type, str)
    assert with_names(again, TOOLBOXES).to_dict() == before
    assert with_names(Config(before), TOOLBOXES).to_dict() == before


def test_classes_with_the_name_of_another() -> None:
    """mmdet's RandomFlip and mmcv's; a class that nobody registered."""
    from mmcv.transforms import RandomFlip
    from mmdet.datasets.transforms import RandomFlip as Mmdets

    class Own:
        """Of a user."""

    cfg = Config(dict(default_scope='mmdet', pipeline=[dict(type=RandomFlip), dict(type=Mmdets), dict(type=Own)]))
    object.__setattr__(cfg, '_imported_names', {'RandomFlip'})
    named = with_names(cfg, TOOLBOXES)
    assert [step['type'] for step in named.pipeline] == ['mmengine.RandomFlip', 'RandomFlip', Own]
    assert registry.TRANSFORMS.children['mmdet'].get('mmengine.RandomFlip') is RandomFlip


@pytest.mark.parametrize('scope', TASKS)
def test_training_testing_and_results(trained: Callable, root: Path, tmp_path: Path, scope: str) -> None:
    """Trained above, without the mixed precision that a CPU has not; tested with views, pictures and predictions."""
    config, checkpoint = trained(scope)
    out = tmp_path / ('maps' if scope == 'mmseg' else 'x.pkl')
    metrics = test.main(
        [
            str(config),
            str(checkpoint),
            '--work-dir',
            str(tmp_path),
            '--out',
            str(out),
            '--show-dir',
            str(tmp_path / 'shown'),
            '--tta',
        ]
    )
    assert metrics
    assert len([path for path in (tmp_path / 'shown').rglob('*.png') if path.is_file()]) == 4
    if scope == 'mmseg':
        assert len([np.asarray(Image.open(path)) for path in out.iterdir()]) == 4
    else:
        assert len(pickle.loads(out.read_bytes())) == 4


@pytest.mark.parametrize('scope', TASKS)
def test_inference_and_visualisation(trained: Callable, root: Path, tmp_path: Path, scope: str) -> None:
    config, checkpoint = trained(scope)
    for given in (config, Config.fromfile(config)):
        FECInferencer(SCOPES[scope], given, checkpoint, device='cpu')(root / 'data/images', out_dir=tmp_path / 'out')
        assert get_model(given, checkpoint, 'cpu').dataset_meta['classes']
    assert len(list((tmp_path / 'out/vis').iterdir())) == 4
    tool('visualization/visualize_clusters.py').main(
        [
            str(config),
            str(root / 'data/images/0.png'),
            '--checkpoint',
            str(checkpoint),
            '--out-dir',
            str(tmp_path / 'clusters'),
        ]
    )
    assert (tmp_path / 'clusters/0.png').is_file()
