"""The probing configs: every model with every task builds under one recipe; the pairs of digits are what their rule
says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from fec_mm.datasets.breeds import TASKS
from fec_mm.datasets.digits import load_digits
from fec_mm.evaluation.features import default_layers, record_features

PROBING = Path(__file__).parents[1] / 'configs' / 'probing'
MODELS = sorted(path.stem for path in (PROBING / '_base_/models').glob('*.py'))
LARGE = [name for name in MODELS if 'mini' not in name]
SHIPPED = sorted(PROBING.glob('*.py'))


def combine(folder: Path, model: str, task: str, labels: str = 'superclass', settings: str = '') -> Config:
    """The config that docs/probing.md tells users to write."""
    path = folder / f'{model}_{task}.py'
    path.write_text(
        f"_base_ = ['{PROBING}/_base_/models/{model}.py', '{PROBING}/_base_/tasks/{task}.py']\n"
        f'model = dict(head=dict(num_classes=_base_.num_{labels}es))\n'
        f"train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(labels='{labels}'{settings}))\n"
    )
    return Config.fromfile(path)


def build(cfg: Config) -> Any:
    from mmpretrain.registry import MODELS as MM_MODELS

    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MM_MODELS.build(cfg.model)


def test_the_models_there_are() -> None:
    assert LARGE == ['deit-small', 'fec-small', 'resnet50', 'resnet50-gn', 'resnet50-ln', 'swin-tiny']


@pytest.mark.parametrize('name', MODELS)
def test_models(tmp_path: Path, name: str) -> None:
    task = 'digits' if 'mini' in name else 'nonliving26'
    cfg = combine(tmp_path, name, task)
    model = build(cfg)
    last = [m for m in model.head.modules() if isinstance(m, torch.nn.Linear)][-1]
    assert last.out_features == cfg.num_superclasses
    norms = {type(m).__name__ for m in model.backbone.modules() if 'Norm' in type(m).__name__}
    assert norms == {
        'BatchNorm2d'
        if name in ('resnet50', 'resnet-mini')
        else 'GroupNorm'
        if name.startswith(('fec', 'resnet'))
        else 'LayerNorm'
    }
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        wrapper = build_optim_wrapper(model, {**cfg.optim_wrapper, 'type': 'OptimWrapper'})
    decay = {id(p): group['weight_decay'] for group in wrapper.param_groups for p in group['params']}
    if 'mini' not in name:
        for key, p in model.named_parameters():
            matrix = p.dim() >= 2 and not any(word in key for word in ('cls_token', 'pos_embed', 'position_bias_table'))
            assert not p.requires_grad or decay[id(p)] == (0.05 if matrix else 0.0), key


@pytest.mark.parametrize('task', TASKS)
@pytest.mark.parametrize('labels', ['superclass', 'subclass'])
@pytest.mark.parametrize('shuffle', [None, 0])
def test_tasks(tmp_path: Path, task: str, labels: str, shuffle: int | None) -> None:
    cfg = combine(tmp_path, 'resnet50', task, labels, f', shuffle={shuffle}')
    sizes = {'superclass': TASKS[task].superclasses, 'subclass': TASKS[task].superclasses * TASKS[task].subclasses}
    assert cfg.model.head.num_classes == sizes[labels]
    for loader, split in ((cfg.train_dataloader, 'train'), (cfg.val_dataloader, 'val'), (cfg.test_dataloader, 'val')):
        dataset = loader.dataset
        assert (dataset.type, dataset.labels, dataset.shuffle) == ('fec_mm.SuperclassDataset', labels, shuffle)
        assert dataset.superclasses == dict(task=task, hierarchy='data/breeds')
        assert (dataset.dataset.type, dataset.dataset.split) == ('ImageNet', split)


@pytest.mark.parametrize('path', SHIPPED, ids=lambda path: path.stem)
def test_shipped(path: Path) -> None:
    """All have the model and data of their name, and nothing else of their own."""
    cfg, reference = Config.fromfile(path), Config.fromfile(PROBING / 'resnet50_living17.py')
    for key in set(cfg) | set(reference):
        if key not in ('model', 'train_dataloader', 'val_dataloader', 'test_dataloader'):
            assert cfg[key] == reference[key], key
    assert cfg.train_dataloader.dataset.get('shuffle') == (0 if 'shuffled' in path.stem else None)
    assert cfg.train_dataloader.dataset.get('labels', 'superclass') == (
        'subclass' if 'subclass' in path.stem else 'superclass'
    )
    assert cfg.model.head.num_classes == (68 if 'subclass' in path.stem else 17)
    assert cfg.auto_scale_lr.base_batch_size == 4 * cfg.train_dataloader.batch_size


def test_pairs_of_digits_follow_their_rule() -> None:
    """Nearest neighbours in pixels, five folds: no pairing of the ten digits is confused more, and none less."""
    from sklearn.metrics import confusion_matrix
    from sklearn.model_selection import cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier

    digits = load_digits()['train']
    pixels = digits.images.reshape(len(digits.labels), -1) / 255
    confused = confusion_matrix(digits.labels, cross_val_predict(KNeighborsClassifier(1), pixels, digits.labels, cv=5))
    confused = confused + confused.T
    cfg = Config.fromfile(PROBING / '_base_/tasks/digits.py')
    for pairs, sign in ((cfg.natural, 1), (cfg.unrelated, -1)):
        graph = nx.Graph()
        graph.add_weighted_edges_from((a, b, sign * int(confused[a, b])) for a in range(10) for b in range(a))
        best = sum(confused[pair] for pair in nx.max_weight_matching(graph, maxcardinality=True))
        assert sorted(digit for pair in pairs for digit in pair.subclasses) == list(range(10))
        assert sum(confused[tuple(pair.subclasses)] for pair in pairs) == best
        assert [pair.name for pair in pairs] == ['-'.join(map(str, pair.subclasses)) for pair in pairs]


@pytest.mark.slow
@pytest.mark.parametrize('name', MODELS)
def test_a_step_and_the_layers(tmp_path: Path, name: str) -> None:
    """Training steps; then each default layer gives features of its own number of channels."""
    from mmpretrain.registry import MODELS as MM_MODELS
    from mmpretrain.structures import DataSample

    cfg = combine(tmp_path, name, 'digits' if 'mini' in name else 'living17')
    side = 32 if 'mini' in name else 224
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        cfg.model.data_preprocessor = dict(type='ClsDataPreprocessor', **cfg.data_preprocessor)
        model = revert_sync_batchnorm(MM_MODELS.build(cfg.model))
        model.init_weights()
        wrapper = build_optim_wrapper(model, {**cfg.optim_wrapper, 'type': 'OptimWrapper'})
        before = [p.detach().clone() for p in model.parameters()]
        batch = dict(
            inputs=torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8),
            data_samples=[DataSample().set_gt_label(i) for i in range(2)],
        )
        for _ in range(2):  # a ViT's classifier starts at 0, and passes no gradient on in the first one
            losses = model.train().train_step(batch, wrapper)
            assert all(torch.isfinite(loss).all() for loss in losses.values())
        assert sum(not torch.equal(a, b) for a, b in zip(before, model.parameters())) > len(before) / 2
        layers = default_layers(model.eval())
        with torch.no_grad(), record_features(model, layers) as record:
            model.val_step(batch)
    widths = {
        'fec-small': (32, 64, 196, 320, 320),
        'resnet50': (256, 512, 1024, 2048, 2048),
        'deit-small': (384,) * 5,
        'swin-tiny': (96, 192, 384, 768, 768),
        'fec-mini': (24, 48, 96, 128, 128),
        'resnet-mini': (16, 32, 64, 128, 128),
        'vit-mini': (96,) * 5,
    }
    expected = widths[name.removesuffix('-gn').removesuffix('-ln')]
    assert [tuple(record[layer].shape) for layer in layers] == [(2, width) for width in expected]
    assert all(np.isfinite(features.numpy()).all() for features in record.values())


def test_what_simsiam_learns_is_what_its_classifier_keeps(tmp_path: Path) -> None:
    """A step without labels changes the backbone; the linear classifier begins with it, and leaves it."""
    from mmpretrain.registry import MODELS as MM_MODELS
    from mmpretrain.structures import DataSample

    folder = PROBING / 'self_supervised'
    cfg = Config.fromfile(folder / 'simsiam_fec-mini_digits.py')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MM_MODELS.build(cfg.model)
        model.init_weights()
        before = {key: value.clone() for key, value in model.backbone.state_dict().items()}
        wrapper = build_optim_wrapper(model, {**cfg.optim_wrapper, 'type': 'OptimWrapper'})
        views = [torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8) for _ in range(2)]
        losses = model.train().train_step(dict(inputs=views, data_samples=[DataSample() for _ in range(4)]), wrapper)
    assert -1 <= losses['loss'].item() <= 0
    learnt = model.backbone.state_dict()
    assert sum(not torch.equal(before[key], value) for key, value in learnt.items()) > len(learnt) / 2
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'simsiam.pth')
    cfg = Config.fromfile(folder / 'simsiam-linear_fec-mini_digits.py')
    cfg.model.backbone.init_cfg.checkpoint = str(tmp_path / 'simsiam.pth')
    classifier = build(cfg)
    classifier.init_weights()
    kept = classifier.backbone.state_dict()
    assert all(torch.equal(value, learnt[key]) for key, value in kept.items())
    assert [name for name, p in classifier.named_parameters() if p.requires_grad] == ['head.fc.weight', 'head.fc.bias']


def test_shift_trains_on_one_half_and_validates_on_the_other() -> None:
    cfg = Config.fromfile(PROBING / 'fec-small_living17-shift.py')
    loaders = cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader
    assert [loader.dataset.split for loader in loaders] == ['source', 'target', 'target']
