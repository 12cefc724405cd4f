"""What timm expects of its models (its own tests/test_models.py asks the same), of every one of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fec_mm.apis import get_model
from fec_mm.models import FEC

timm = pytest.importorskip('timm')
import fec_mm.timm  # noqa: E402

NAMES = list(fec_mm.timm.MODELS)
SMALL = ['fec_small', 'coc_tiny', 'cluenet_mini', 'enformer_small']
SIDE = 64


def create(name: str, **kwargs: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return timm.create_model(name, **kwargs).eval()


def test_all_are_listed() -> None:
    assert set(NAMES) <= set(timm.list_models())
    assert {'fec_small', 'fec_base', 'fec_large', 'coc_tiny_plain', 'cluenet_mini_cifar', 'enformer_large'} <= set(
        NAMES
    )
    assert not set(NAMES) & set(timm.list_models(pretrained=True))


@pytest.mark.parametrize('name', SMALL)
def test_forward_and_default_cfg(name: str) -> None:
    model = create(name)
    cfg, x = model.default_cfg, torch.randn(1, 3, SIDE, SIDE)
    assert cfg['architecture'] == name and cfg['input_size'] == (3, 224, 224)
    names = dict(model.named_parameters())
    assert cfg['classifier'] + '.weight' in names
    assert any(key.startswith(cfg['first_conv']) for key in names)
    with torch.no_grad():
        logits, features = model(x), model.forward_features(x)
        assert logits.shape == (1, 1000) and features.shape == (1, model.num_features, 2, 2)
        torch.testing.assert_close(model.forward_head(features), logits)
        assert model.forward_head(features, pre_logits=True).shape == (1, model.head_hidden_size)
        model.reset_classifier(0)
        assert model(x).shape == (1, model.num_features)
        model.reset_classifier(0, '')
        assert model(x).shape == features.shape
        model.reset_classifier(5, 'avg')
        assert model(x).shape == (1, 5) and model.get_classifier().out_features == model.num_classes == 5


@pytest.mark.parametrize('name', NAMES)
def test_features_are_as_their_info_says(name: str) -> None:
    if name.rsplit('_', 1)[-1] in ('base', 'large', 'medium') and name != 'fec_base':
        pytest.skip('of the same code')
    model = create(name, features_only=True)
    with torch.no_grad():
        maps = model(torch.randn(1, 3, SIDE, SIDE))
    assert [m.shape[1] for m in maps] == model.feature_info.channels()
    assert [SIDE // m.shape[2] for m in maps] == model.feature_info.reduction()
    assert len(maps) == 4 and model.feature_info.reduction()[0] == (1 if 'cifar' in name else 4)


@pytest.mark.parametrize('name', SMALL)
def test_intermediates(name: str) -> None:
    model, x = create(name), torch.randn(1, 3, SIDE, SIDE)
    with torch.no_grad():
        last, maps = model.forward_intermediates(x)
        torch.testing.assert_close(last, model.forward_features(x))
        some = create(name, features_only=True, out_indices=(0, 2))(x)
        assert len(some) == 2
        torch.testing.assert_close(some[1], maps[2])
        early = model.forward_intermediates(x, indices=[1], stop_early=True, intermediates_only=True)
    torch.testing.assert_close(early[0], maps[1])


@pytest.mark.parametrize('name', SMALL)
def test_every_parameter_learns(name: str) -> None:
    model = create(name, num_classes=3, drop_path_rate=0.1, drop_rate=0.1, in_chans=2).train()
    model.set_grad_checkpointing()
    model(torch.randn(2, 2, SIDE, SIDE)).square().mean().backward()
    without = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not without
    kept = model.no_weight_decay()
    assert kept and kept <= set(dict(model.named_parameters()))
    groups = timm.models._manipulate.group_with_matcher(model.named_parameters(), model.group_matcher(), reverse=True)
    assert set(groups) == set(dict(model.named_parameters()))
    assert groups['backbone.stem.proj.weight'] == 0 and groups['head.fc.weight'] == max(groups.values())


@pytest.mark.parametrize('config', ['fec-small', 'enformer-small'])
def test_checkpoints_of_mmpretrain_load_and_give_the_same(config: str, tmp_path: Path) -> None:
    classifier = get_model(f'{config}_4xb256-310e_in1k', device='cpu')
    classifier.init_weights()
    torch.save({'state_dict': classifier.state_dict()}, tmp_path / 'a.pth')
    model = create(config.replace('-', '_'), checkpoint_path=str(tmp_path / 'a.pth'))
    x = torch.randn(2, 3, SIDE, SIDE)
    with torch.no_grad():
        torch.testing.assert_close(model(x), classifier(x, mode='tensor'), rtol=1e-4, atol=1e-5)


def test_models_alone_need_no_mmcv() -> None:
    """And no toolbox."""
    code = (
        'import sys\n'
        "for name in ('mmcv', 'mmpretrain', 'mmdet', 'mmseg', 'timm'): sys.modules[name] = None\n"
        'import torch\n'
        'from fec_mm import FEC\n'
        "model = FEC('small', out_indices=(1, 3))\n"
        'print(model.out_channels, [tuple(m.shape) for m in model(torch.rand(1, 3, 64, 64))])'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == '[64, 320] [(1, 64, 8, 8), (1, 320, 2, 2)]', done.stderr[-2000:]


def test_signatures_are_explicit() -> None:
    import inspect

    for family in fec_mm.timm.FAMILIES:
        kinds = {p.kind for p in inspect.signature(family).parameters.values()}
        assert not kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    assert FEC('small', out_indices=(0, 2)).out_channels == [32, 196]
