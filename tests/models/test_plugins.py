"""The layers that other backbones take: in mmdet's and mmseg's ResNet, and in place of strided convolutions and patch
merging."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch
from mmengine.registry import DefaultScope
from torch import nn

from fec_mm.device.recordings import telling_weights
from fec_mm.models import FEC, ClusterEncode, ClusterPool
from fec_mm.registry import MODELS
from fec_mm.visualization import record_assignments
from tests.ops import naive

from .test_backbones import TINY

SCOPES = pytest.mark.parametrize('scope', ['mmdet', 'mmseg'])
PLUGIN = dict(type='fec_mm.ClusterEncode', num_heads=2, head_dim=4, centers_per_side=3)


def resnet(scope: str, plugins: list[dict], **kwargs: object) -> nn.Module:
    models = import_module(f'{scope}.registry').MODELS
    with DefaultScope.overwrite_default_scope(scope):
        return models.build(
            dict(
                type='ResNet',
                depth=50,
                base_channels=8,
                stem_channels=8,
                num_stages=2,
                strides=(1, 2),
                dilations=(1, 1),
                out_indices=(0, 1),
                plugins=plugins,
                **kwargs,
            )
        )


@SCOPES
def test_a_resnet_with_the_plugin(scope: str) -> None:
    """It begins as it would be without, its blocks encode where they are told to, and every new parameter learns."""
    model = resnet(scope, [dict(cfg=PLUGIN, stages=(False, True), position='after_conv2')])
    without = resnet(scope, [])
    missing, unexpected = model.load_state_dict(without.state_dict(), strict=False), []
    assert not unexpected and all('.cluster_encode.' in key for key in missing.missing_keys)
    x = torch.randn(2, 3, 70, 45)
    model.eval(), without.eval()
    for got, expected in zip(model(x), without(x)):
        torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-4)
    model.train()
    with record_assignments(model) as record:
        sum(o.square().mean() for o in model(x)).backward()
    assert [ids.shape for ids in record.layers.values()] == [(2, 2, 9, 6)] * 4
    plugins = [p for name, p in model.named_parameters() if 'cluster_encode' in name]
    assert len(plugins) == 4 * 11 and all(p.grad is not None and p.grad.abs().sum() > 0 for p in plugins)


@SCOPES
def test_checkpointing_changes_nothing(scope: str) -> None:
    grads, x = [], torch.randn(2, 3, 64, 48, dtype=torch.float64)
    for with_cp in (False, True):
        model = resnet(scope, [dict(cfg=PLUGIN, position='after_conv3')], with_cp=with_cp)
        telling_weights(model)
        model.double().train()
        model(x.clone().requires_grad_())[-1].square().sum().backward()
        grads.append([p.grad for p in model.parameters() if p.grad is not None])
    assert len(grads[0]) == len(grads[1])
    for p, q in zip(*grads):
        torch.testing.assert_close(p, q)


def test_the_plugin_equals_its_transcription() -> None:
    plugin = ClusterEncode(6, num_heads=2, head_dim=4, centers_per_side=2, regions_per_side=2)
    telling_weights(plugin)
    plugin.double()
    x, m = torch.randn(2, 6, 7, 5, dtype=torch.float64), plugin.mixer
    rows = nn.functional.group_norm(x, 1, plugin.norm.weight, plugin.norm.bias).permute(0, 2, 3, 1)
    y, _ = naive.encode(
        rows,
        m.f.weight,
        m.f.bias,
        m.v.weight,
        m.v.bias,
        m.proj.weight,
        m.proj.bias,
        m.alpha,
        m.beta,
        heads=2,
        centers=2,
        regions=2,
    )
    torch.testing.assert_close(plugin(x), x + (y * plugin.layer_scale).permute(0, 3, 1, 2))


@pytest.mark.parametrize('learn', [False, True])
def test_pooling_equals_its_transcription(learn: bool) -> None:
    layer = MODELS.build(dict(type='fec_mm.ClusterPool', in_channels=5, out_channels=6, learn_similarity=learn))
    telling_weights(layer)
    layer.double()
    x, pool = torch.randn(2, 5, 9, 6, dtype=torch.float64), layer.pool
    rep, _ = naive.pool(
        x.permute(0, 2, 3, 1), pool.f.weight, pool.f.bias, pool.v.weight, pool.v.bias, pool.alpha, pool.beta
    )
    expected = nn.functional.group_norm(rep.permute(0, 3, 1, 2), 1, pool.norm.weight, pool.norm.bias)
    expected = expected + nn.functional.conv2d(x, pool.skip.weight, pool.skip.bias, stride=2, padding=1)
    torch.testing.assert_close(layer(x), expected)
    tokens, size = layer(x.flatten(2).transpose(1, 2), (9, 6))
    assert size == (5, 3)
    torch.testing.assert_close(tokens, expected.flatten(2).transpose(1, 2))


@pytest.mark.parametrize('learn', [False, True])
def test_the_similarity_learns_if_told(learn: bool) -> None:
    model = FEC(TINY, learn_similarity=learn)
    telling_weights(model)
    model(torch.randn(2, 3, 64, 64))[-1].square().mean().backward()
    for name, p in model.downsamples.named_parameters():
        similarity = name.split('.')[1] in ('f', 'alpha', 'beta')
        assert p.requires_grad == (p.grad is not None) == (learn or not similarity), name
        assert p.grad is None or p.grad.abs().sum() > 0, name
    assert any(name.endswith('alpha') for name, _ in model.downsamples.named_parameters()) == learn


@pytest.mark.parametrize('scope', ['mmpretrain', 'mmdet', 'mmseg'])
def test_in_place_of_patch_merging(scope: str) -> None:
    models = import_module(f'{scope}.registry').MODELS
    swin = dict(
        type='SwinTransformer', depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], embed_dims=8, out_indices=(0, 1, 2, 3)
    )
    if scope == 'mmpretrain':
        swin.update(
            depths=None,
            num_heads=None,
            embed_dims=None,
            pad_small_map=True,
            arch=dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1]),
        )
        swin = {key: value for key, value in swin.items() if value is not None}
    with DefaultScope.overwrite_default_scope(scope):
        model = models.build(swin)
    x = torch.randn(1, 3, 64, 64)
    shapes = [o.shape for o in model(x)]
    for stage in list(model.stages)[:3]:
        C = stage.downsample.out_channels
        stage.downsample = ClusterPool(C // 2, C)
    assert [o.shape for o in model(x)] == shapes


def test_in_place_of_a_strided_convolution() -> None:
    model = resnet('mmdet', [])
    block, x = model.layer2[0], torch.randn(1, 3, 70, 45)
    shape = model(x)[-1].shape
    block.conv2 = ClusterPool(block.conv2.in_channels, block.conv2.out_channels)
    assert model(x)[-1].shape == shape


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_mixed_precision(dtype: torch.dtype) -> None:
    x = torch.randn(2, 8, 20, 12)
    for layer in (ClusterEncode(8, 2, 4), ClusterPool(8, 8, learn_similarity=True)):
        telling_weights(layer)
        exact = layer(x)
        with torch.autocast('cpu', dtype):
            half = layer(x)
        half.float().square().mean().backward()
        assert all(torch.isfinite(p.grad).all() for p in layer.parameters())
        assert ((half.float() - exact).norm() / exact.norm()).item() < 0.05


@pytest.mark.parametrize('setting', ['num_heads', 'head_dim', 'centers_per_side', 'regions_per_side'])
def test_impossible_settings(setting: str) -> None:
    with pytest.raises(ValueError, match=f'ClusterEncode: {setting}=0 must be a whole number of at least 1'):
        ClusterEncode(8, **{setting: 0})
    with pytest.raises(ValueError, match='ClusterPool: regions_per_side=0 must be'):
        ClusterPool(8, 8, regions_per_side=0)
