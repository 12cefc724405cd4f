"""Python on the pages does what the page says: configs are parsed and built, programs run.

A block with `_base_` is a config, any other one a program. It lies where its first line says, as in
`# configs/probing/x.py`, or in the folder in which the page's commands run. The blocks of docs/custom_dataset.md are in
tests/test_docs.py.
"""

from __future__ import annotations

import os
import re
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import HOOKS, METRICS, DefaultScope
from mmengine.visualization import Visualizer
from PIL import Image

from .test_recipes import build

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / 'README.md', *sorted(ROOT.glob('docs/**/*.md'))]
# The checkpoints that `make train` leaves, by task.
TRAINED = {'classification': 'epoch_12.pth', 'detection': 'epoch_10.pth', 'segmentation': 'iter_2000.pth'}


class Block(NamedTuple):
    """A block of Python on a page."""

    page: str
    number: int
    code: str

    @property
    def path(self) -> str:
        named = re.match(r'# (\S+\.py)\n', self.code)
        return named[1] if named else 'block.py'

    @property
    def is_config(self) -> bool:
        return '_base_ = ' in self.code


def blocks(page: Path) -> list[Block]:
    found = re.findall(r'^```python\n(.*?)^```', page.read_text(encoding='utf-8'), flags=re.MULTILINE | re.DOTALL)
    return [Block(str(page.relative_to(ROOT)), number, code) for number, code in enumerate(found)]


BLOCKS = [block for page in PAGES for block in blocks(page) if not block.path.startswith('mine/')]


def block_id(block: Block) -> str:
    return f'{block.page}, {block.number}'


@pytest.fixture(scope='module')
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the quick starts leave it: configs, images, and a checkpoint of initial weights for each task."""
    folder = tmp_path_factory.mktemp('clone')
    shutil.copytree(ROOT / 'configs', folder / 'configs')
    for name in ('a.png', 'b.png', 'data/digits/val/7/0.png', 'data/digits/val/7/1.png'):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (64, 48), 'teal').save(folder / name)
    for task, name in TRAINED.items():
        model = build(Config.fromfile(folder / f'configs/quickstart/{task}.py'), device='cpu')
        target = folder / 'work_dirs/quickstart' / task / name
        target.parent.mkdir(parents=True)
        classes = tuple(map(str, range(11 if task == 'segmentation' else 10)))
        meta = {'dataset_meta': {'classes': classes, 'palette': [(20 * i, 90, 9) for i in range(len(classes))]}}
        torch.save({'state_dict': model.state_dict(), 'meta': meta}, target)
    return folder


@pytest.fixture
def here(clone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(clone)
    return clone


def run(block: Block) -> dict[str, Any]:
    """What a program leaves in its variables."""
    torch.manual_seed(0)
    given: dict[str, Any] = {}
    exec(compile(block.code, block_id(block), 'exec'), given)
    return given


def parts(cfg: Config) -> list[tuple[Any, dict]]:
    """What the blocks of the pages replace beside the model, each with its registry."""
    evaluators = [cfg.get(f'{stage}_evaluator') or [] for stage in ('val', 'test')]
    metrics = [metric for found in evaluators for metric in (found if isinstance(found, list) else [found])]
    hooks = [*cfg.get('custom_hooks', []), *(hook for hook in cfg.default_hooks.values() if hook)]
    return [(METRICS, metric) for metric in metrics if 'ann_file' not in metric] + [(HOOKS, hook) for hook in hooks]


@pytest.mark.parametrize('block', [block for block in BLOCKS if block.is_config], ids=block_id)
def test_a_config_builds(block: Block, here: Path) -> None:
    path = here / block.path
    path.write_text(block.code, encoding='utf-8')
    cfg = Config.fromfile(path)
    os.remove(path)
    assert sum(parameter.numel() for parameter in build(cfg, device='cpu').parameters()) > 0
    Visualizer.get_instance('pages')
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        for registry, part in parts(cfg):
            registry.build(part)
        datasets = import_module(f'{cfg.default_scope}.registry').DATASETS
        assert datasets.get(cfg.train_dataloader.dataset.type) is not None


@pytest.mark.parametrize('block', [block for block in BLOCKS if not block.is_config], ids=block_id)
def test_a_program_runs(block: Block, here: Path) -> None:
    run(block)


def program(page: str, containing: str) -> dict[str, Any]:
    (block,) = (block for block in BLOCKS if block.page == page and containing in block.code and not block.is_config)
    return run(block)


def test_clusters_in_the_readme() -> None:
    given = program('README.md', 'cluster_levels')
    assert [tuple(found.shape) for found in given['maps']] == [
        (1, 32, 56, 56),
        (1, 64, 28, 28),
        (1, 196, 14, 14),
        (1, 320, 7, 7),
    ]
    assert [level.shape for level in given['levels']] == [(1, 224, 224)] * 3


def test_clusters_in_code() -> None:
    given = program('docs/interpretability.md', 'merge_clusters')
    assert [level.shape for level in given['levels']] == [(1, 160, 160)] * 3
    assert given['groups'].unique().tolist() == list(range(6))
    assert given['heads'].shape == (1, 8, 160, 160)


def test_a_pooling_layer() -> None:
    given = program('docs/necks.md', 'ClusterPool')
    assert given['y'].shape == (2, 256, 8, 10)
    assert (given['tokens'].shape, tuple(given['size'])) == ((2, 80, 256), (8, 10))


def test_models_by_name() -> None:
    given = program('docs/inference.md', "list_models('detection'")
    assert given['list_models']('detection', 'dino*') == ['dino-4scale_fec-small_8xb2-12e_coco']
    assert sum(parameter.numel() for parameter in given['model'].parameters()) == 5_727_528
