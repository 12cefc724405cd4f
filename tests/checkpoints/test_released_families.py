"""Released checkpoints of EnFormer and CLUENet, and of models that have the same shapes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fec_mm.checkpoints.released import convert
from fec_mm.checkpoints.released_rules import released_keys
from fec_mm.device.recordings import recorded_weight, released_state
from fec_mm.errors import UserError
from fec_mm.models import FAMILIES, CLUENet, ContextCluster, EnFormer

from ..tools.test_convert_released import run

DENSE = (0, 1, 2, 3)


def renamed(backbone: torch.nn.Module) -> dict[str, Tensor]:
    """The released state dict of a model that has no recording: its keys with weights that follow from them."""
    own = backbone.state_dict()
    state = {key: own[name] for key, name in released_keys(backbone).items() if not key.endswith('tracked')}
    return {key: recorded_weight(key, list(value.shape)) for key, value in state.items()}


@pytest.mark.parametrize(
    ('build', 'model'),
    [
        *(
            (lambda arch=arch, task=task: EnFormer(arch, task, out_indices=DENSE), f'EnFormer {arch} for {task}')
            for arch in EnFormer.arch_settings
            for task in ('segmentation', 'detection')
        ),
        *((lambda arch=arch: CLUENet(arch, out_indices=DENSE), f'CLUENet {arch}') for arch in CLUENet.arch_settings),
    ],
)
def test_whole_detectors_and_segmenters(build: Any, model: str) -> None:
    """Every size is told by its shapes; its backbone is taken, and what is not of it is named."""
    with torch.device('meta'):
        state = renamed(build())
    whole = {f'backbone.{key}': value for key, value in state.items()} | {'decode_head.conv_seg.bias': torch.zeros(3)}
    converted = convert(whole, FAMILIES)
    assert (converted.model, converted.left_out, converted.others) == (model, ['decode_head.conv_seg.bias'], [])
    with torch.device('meta'):
        backbone = build()
    backbone.load_state_dict(
        {key.removeprefix('backbone.'): value for key, value in converted.state_dict.items()}, assign=True
    )
    own = backbone.state_dict()
    for key, name in released_keys(backbone).items():
        assert key.endswith('tracked') or torch.equal(own[name].flatten(), state[key].flatten()), key


def pretrained(path: Path, state: dict[str, Tensor]) -> dict[str, str]:
    torch.save({'state_dict': state}, path)
    return dict(type='Pretrained', checkpoint=str(path), prefix='backbone.')


def test_similarities_change_their_length(tmp_path: Path) -> None:
    """From classification to detection: the first entries, or all and then their mean; and back again."""
    released = released_state('enformer_small_cls')
    init_cfg = pretrained(tmp_path / 'cls.pth', convert(released, FAMILIES).state_dict)
    model = EnFormer('small', 'detection', out_indices=DENSE, init_cfg=init_cfg)
    model.init_weights()
    short = released['stages.1.blocks.0.cluster.cluster_module_0.sim_alpha']
    vector = model.stages[1][0].mixer.fuzzy.alpha
    assert len(short) == 25 and len(vector) == 144
    assert torch.equal(vector[:25], short) and torch.allclose(vector[25:], short.mean())
    assert torch.equal(
        model.stages[2][3].mlp.fc1.weight, released['stages.2.blocks.3.ffn.ffn_layers.1.linear.1.weight']
    )
    dense = {f'backbone.{key}': value for key, value in model.state_dict().items()}
    again = EnFormer('small', 'classification', init_cfg=pretrained(tmp_path / 'det.pth', dense))
    again.init_weights()
    assert torch.equal(again.stages[1][0].mixer.fuzzy.alpha, short)


def test_other_differences_are_errors(tmp_path: Path) -> None:
    init_cfg = pretrained(tmp_path / 'small.pth', convert(released_state('enformer_small_cls'), FAMILIES).state_dict)
    with pytest.raises(UserError, match='of another shape'):
        EnFormer('base', 'detection', init_cfg=init_cfg).init_weights()


@pytest.mark.parametrize('wanted', [None, 'ContextCluster tiny2', 'FEC small', 'ContextCluster huge'])
def test_models_of_one_shape(tmp_path: Path, wanted: str | None) -> None:
    torch.save(released_state('coc_tiny_cls'), tmp_path / 'src.pth')
    ended: subprocess.CompletedProcess = run(
        tmp_path / 'src.pth', tmp_path / 'dst.pth', *(['--model', wanted] if wanted else [])
    )
    if wanted is None:
        assert 'ContextCluster tiny_plain, ContextCluster tiny2 have the same shapes' in ended.stdout
    if wanted in (None, 'ContextCluster tiny2'):
        meta = torch.load(tmp_path / 'dst.pth', weights_only=True)['meta']
        assert ended.returncode == 0 and meta['released_model'] == (wanted or 'ContextCluster tiny')
        ContextCluster('tiny2').load_state_dict(
            {
                key.removeprefix('backbone.'): value
                for key, value in torch.load(tmp_path / 'dst.pth', weights_only=True)['state_dict'].items()
                if key.startswith('backbone.')
            }
        )
    else:
        assert ended.returncode != 0 and ended.stderr.count('\n') == 1
        assert ('differences from FEC small' if wanted == 'FEC small' else "'ContextCluster huge'") in ended.stderr


def test_missing_key_is_named() -> None:
    state = released_state('cluenet_mini_cifar_cls')
    del state['network.2.blocks.0.token_mixer.attn_alpha']
    with pytest.raises(ValueError, match=r'CLUENet mini-cifar.*missing network\.2\.blocks\.0\.token_mixer\.attn_alpha'):
        convert(state, FAMILIES)
