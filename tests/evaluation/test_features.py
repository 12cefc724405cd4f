"""Pooled features of layers, whatever the layout of their outputs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn

from fec_mm.errors import UserError
from fec_mm.evaluation.features import HEAD, default_layers, pool, record_features

TINY = dict(
    depths=(1, 2),
    embed_dims=(8, 12),
    num_heads=(2, 3),
    head_dims=(5, 4),
    mlp_ratios=(3, 2),
    centers_per_side=(3, 2),
    regions_per_side=(1, 1),
)


def classifier(backbone: dict[str, Any], channels: int, head: str = 'LinearClsHead') -> Any:
    import mmpretrain  # noqa: F401

    neck = None if head != 'LinearClsHead' else dict(type='GlobalAveragePooling')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(
            dict(
                type='ImageClassifier',
                backbone=backbone,
                neck=neck,
                head=dict(type=head, num_classes=3, in_channels=channels),
            )
        )
        model.init_weights()
    return model.eval()


def record(model: Any, images: Tensor, layers: list[str]) -> dict[str, Tensor]:
    with torch.no_grad(), record_features(model, layers) as found:
        model.predict(images)
    return found


def fec() -> Any:
    return classifier(dict(type='fec_mm.FEC', arch=TINY), 12)


def test_fec() -> None:
    """The channels of inner maps are the last axis, those of a convolution from images and of the output the second."""
    model, images = fec(), torch.randn(2, 3, 32, 64)
    layers = [
        *default_layers(model),
        'backbone',
        'backbone.stem.proj',
        'backbone.stem',
        'backbone.downsamples.0.skip',
        'backbone.norm1',
    ]
    assert layers[:3] == ['backbone.stages.0', 'backbone.stages.1', HEAD]
    found = record(model, images, layers)
    assert {name: features.shape[1] for name, features in found.items()} == dict(
        zip(layers, (8, 12, 12, 12, 8, 8, 12, 12))
    )
    with torch.no_grad():
        output = model.backbone(images)[0]
        torch.testing.assert_close(found['backbone'], output.mean((2, 3)))
        torch.testing.assert_close(found[HEAD], output.mean((2, 3)))
        torch.testing.assert_close(found['backbone.norm1'], output.mean((2, 3)))
        stem = model.backbone.stem(images)
        torch.testing.assert_close(found['backbone.stem'], stem.mean((1, 2)))
        torch.testing.assert_close(found['backbone.stem.proj'], stem.mean((1, 2)))
        torch.testing.assert_close(found['backbone.stages.0'], model.backbone.stages[0](stem).mean((1, 2)))


def test_resnet() -> None:
    model = classifier(dict(type='ResNet', depth=18, base_channels=8, stem_channels=8), 64)
    images = torch.randn(2, 3, 64, 32)
    assert default_layers(model) == ['backbone.layer1', 'backbone.layer2', 'backbone.layer3', 'backbone.layer4', HEAD]
    found = record(model, images, default_layers(model))
    with torch.no_grad():
        torch.testing.assert_close(found['backbone.layer4'], model.backbone(images)[0].mean((2, 3)))
        torch.testing.assert_close(found[HEAD], found['backbone.layer4'])
    assert found['backbone.layer1'].shape == (2, 8)


def test_vit() -> None:
    """Tokens are averaged without the class token, which is what the classifier reads."""
    arch = dict(embed_dims=16, num_layers=6, num_heads=2, feedforward_channels=16)
    model = classifier(
        dict(type='VisionTransformer', arch=arch, img_size=32, patch_size=8), 16, 'VisionTransformerClsHead'
    )
    images = torch.randn(2, 3, 32, 32)
    assert default_layers(model) == [f'backbone.layers.{i}' for i in (1, 2, 4, 5)] + [HEAD]
    found = record(model, images, default_layers(model))
    tokens = []
    handle = model.backbone.layers[5].register_forward_hook(lambda module, inputs, output: tokens.append(output))
    with torch.no_grad():
        torch.testing.assert_close(found[HEAD], model.extract_feat(images, stage='pre_logits'))
    handle.remove()
    torch.testing.assert_close(found['backbone.layers.5'], tokens[0][:, 1:].mean(1))


def test_the_stages_of_a_poolformer() -> None:
    """Between them stand the layers that halve its map."""
    arch = dict(layers=[1, 1, 1, 1], embed_dims=[8, 16, 24, 32], mlp_ratios=[2] * 4, layer_scale_init_value=1.0)
    model = classifier(dict(type='PoolFormer', arch=arch), 32)
    assert default_layers(model) == [f'backbone.network.{i}' for i in (0, 2, 4, 6)] + [HEAD]
    found = record(model, torch.randn(2, 3, 64, 64), default_layers(model))
    assert [each.shape[1] for each in found.values()] == [8, 16, 24, 32, 32]


def test_swin() -> None:
    """A stage returns its tokens and the size of its map."""
    arch = dict(embed_dims=12, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1))
    model = classifier(dict(type='SwinTransformer', arch=arch, img_size=64, window_size=2), 96)
    found = record(model, torch.randn(2, 3, 64, 64), default_layers(model))
    assert [features.shape for features in found.values()] == [(2, 12), (2, 24), (2, 48), (2, 96), (2, 96)]


def test_half_precision_is_pooled_in_float32() -> None:
    x = torch.full((1, 3, 64, 64), 60000.0, dtype=torch.float16)
    assert pool('x', x, False, 0).dtype == torch.float32 and pool('x', x, False, 0).max() == 60000.0


def test_hooks_are_removed() -> None:
    model = fec()
    record(model, torch.randn(1, 3, 32, 32), default_layers(model))
    with pytest.raises(UserError, match='no module'), record_features(model, ['backbone.stem', 'backbone.stem.x']):
        pass
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@pytest.mark.parametrize('output', [torch.zeros(3), torch.zeros(1, 2, 3, 4, 5), (3, 4), None])
def test_outputs_without_channels(output: Any) -> None:
    with pytest.raises(UserError, match='which has no channels to pool'):
        pool('neck', output, False, 0)


def test_models_without_stages_or_classifier() -> None:
    with pytest.raises(UserError, match='has no stages to probe by default'):
        default_layers(SimpleNamespace(backbone=nn.Identity()))  # type: ignore[arg-type]
    model = nn.Module()
    model.backbone = nn.Identity()
    with pytest.raises(UserError, match='no linear classifier'), record_features(model, [HEAD]):
        pass
