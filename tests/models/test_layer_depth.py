"""Layer-wise decay of the learning rate, as mmpretrain's constructor makes it."""

from __future__ import annotations

import pytest
from mmengine.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS, DefaultScope

from fec_mm.models import FAMILIES, FEC
from fec_mm.models.backbones.staged_backbone import StagedBackbone

from .test_backbones import ALL, TINY, build

# Blocks of the stages: 1, 1, 2, 1.
DEPTHS = {
    'stem.': 0,
    'stages.0.0.': 1,
    'downsamples.0.': 2,
    'stages.1.0.': 2,
    'downsamples.1.': 3,
    'stages.2.0.': 3,
    'stages.2.1.': 4,
    'downsamples.2.': 5,
    'stages.3.0.': 5,
    'norm': 6,
}


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('prefix', ['', 'backbone.'])
def test_depth_of_every_parameter(family: type[StagedBackbone], prefix: str) -> None:
    model = build(family)
    left = dict(model.named_parameters())
    for start, depth in DEPTHS.items():
        names = [name for name in left if name.startswith(start)]
        assert names
        assert {model.get_layer_depth(prefix + name, prefix) for name in names} == {(depth, 7)}
        for name in names:
            del left[name]
    assert not left
    assert model.get_layer_depth('head.fc.weight', 'backbone.') == (6, 7)


def test_depth_never_falls_along_the_network() -> None:
    """Forward order is that in which the published models apply them: stem, stage, downsample, stage, …"""
    model = FEC('small', out_indices=ALL)
    stages = [
        [f'downsamples.{i - 1}.v.weight'] * (i > 0) + [f'stages.{i}.{j}.mixer.v.weight' for j in range(depth)]
        for i, depth in enumerate((3, 4, 5, 2))
    ]
    depths = [model.get_layer_depth(name)[0] for stage in stages for name in stage]
    assert depths == sorted(depths) and set(depths) == set(range(1, 15))


def test_rates_of_mmpretrains_constructor() -> None:
    pytest.importorskip('mmpretrain.engine.optimizers')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(
            dict(
                type='ImageClassifier',
                backbone=dict(type='fec_mm.FEC', arch=TINY),
                neck=dict(type='GlobalAveragePooling'),
                head=dict(type='LinearClsHead', num_classes=3, in_channels=20),
            )
        )
        constructor = OPTIM_WRAPPER_CONSTRUCTORS.get('mmpretrain.LearningRateDecayOptimWrapperConstructor')(
            dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1.0, weight_decay=0.05)),
            dict(layer_decay_rate=0.5),
        )
        groups = {group['param_name']: group['lr'] for group in constructor(model).optimizer.param_groups}
    assert groups['head.fc.weight'] == groups['backbone.norm3.weight'] == 1
    assert groups['backbone.stages.3.0.mixer.f.weight'] == 0.5
    assert groups['backbone.stem.proj.weight'] == 0.5**6
