"""What a checkpoint gives a backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from fec_mm.checkpoints.released import convert
from fec_mm.device.recordings import released_state
from fec_mm.errors import UserError
from fec_mm.models import FAMILIES, FEC, ContextCluster

CONFIGS = Path(__file__).parents[2] / 'configs'
ARCH = dict(
    depths=(1, 1, 1),
    embed_dims=(8, 12, 16),
    num_heads=(2, 2, 2),
    head_dims=(4, 4, 4),
    mlp_ratios=(2, 2, 2),
    centers_per_side=(2, 2, 2),
    regions_per_side=(1, 1, 1),
)


def save(path: Path, backbone: torch.nn.Module, prefix: str = 'backbone.') -> None:
    """A classifier's checkpoint."""
    state = {prefix + key: value for key, value in backbone.state_dict().items()}
    torch.save({'state_dict': {**state, 'head.fc.bias': torch.zeros(3)}}, path)


def initialised(cfg: Config, **init_cfg: Any) -> torch.nn.Module:
    """The model of a config as a run would start it, with seed 0."""
    models = __import__(f'{cfg.default_scope}.registry', fromlist=['MODELS']).MODELS
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = models.build({**cfg.model, 'backbone': {**cfg.model.backbone, **init_cfg}, 'data_preprocessor': None})
        model.init_weights()
    return model


@pytest.mark.parametrize(
    'config',
    [
        'detection/fec/mask-rcnn_fec-small_fpn_4xb4-1x_coco.py',
        'segmentation/fec/fec-small_fpn_4xb4-80k_ade20k-512x512.py',
    ],
)
def test_a_converted_classifier_changes_the_backbone_and_nothing_else(config: str, tmp_path: Path) -> None:
    released = released_state('fec_small_cls')
    torch.save({'state_dict': convert(released, FAMILIES).state_dict}, tmp_path / 'cls.pth')
    cfg = Config.fromfile(CONFIGS / config)
    if 'roi_head' in cfg.model:
        cfg.model.roi_head.bbox_head.fc_out_channels = 8  # half of the parameters, which take time
    before = initialised(cfg).state_dict()
    init_cfg = dict(type='Pretrained', checkpoint=f'{tmp_path}/cls.pth', prefix='backbone.')
    after = initialised(cfg, init_cfg=init_cfg).state_dict()
    own = {
        f'backbone.norm{i}.{kind}' for i in range(3) for kind in ('weight', 'bias')
    }  # a classifier has the last one only
    given = {key for key in after if key.startswith('backbone.')} - own
    loaded = convert(released, FAMILIES).state_dict
    assert given == set(loaded) - {'head.fc.weight', 'head.fc.bias'}
    assert all(torch.equal(after[key], loaded[key]) for key in given)
    assert not any(torch.equal(before[key], loaded[key]) for key in given)
    assert all(torch.equal(before[key], after[key]) for key in after if key not in given)


def test_stages_that_are_not_built_may_be_in_it(tmp_path: Path) -> None:
    whole = FEC(ARCH)
    save(tmp_path / 'x.pth', whole)
    part = FEC(
        ARCH, out_indices=(1,), init_cfg=dict(type='Pretrained', checkpoint=f'{tmp_path}/x.pth', prefix='backbone.')
    )
    part.init_weights()
    assert torch.equal(part.stages[1][0].mixer.f.weight, whole.stages[1][0].mixer.f.weight)


WIDER, DEEPER = {**ARCH, 'mlp_ratios': (2, 2, 3)}, {**ARCH, 'depths': (1, 2, 1)}


@pytest.mark.parametrize(
    ('backbone', 'prefix', 'says'),
    [
        (
            FEC(WIDER),
            'backbone.',
            '3 of another shape (stages.2.0.mlp.fc1.weight: (48, 16) instead of (32, 16), ...): give one of '
            'the same family and arch',
        ),
        (FEC(DEEPER), 'backbone.', '18 unknown (stages.1.1.'),
        (FEC(ARCH, out_indices=(1,)), 'backbone.', '26 missing (stages.2.0.'),
        (
            ContextCluster(ARCH),
            'backbone.',
            '16 missing (downsamples.0.f.weight, ...); 4 unknown (downsamples.0.weight, ...): give',
        ),
        (FEC(ARCH), 'bakbone.', "no key starts with 'bakbone.': give prefix='backbone.'"),
        (
            FEC(ARCH),
            None,
            "72 missing (stem.proj.weight, ...); 75 unknown (backbone.stem.proj.weight, ...): give prefix='backbone.'",
        ),
    ],
)
def test_another_model_is_one_line(backbone: torch.nn.Module, prefix: str | None, says: str, tmp_path: Path) -> None:
    save(tmp_path / 'x.pth', backbone)
    model = FEC(ARCH, init_cfg=dict(type='Pretrained', checkpoint=f'{tmp_path}/x.pth', prefix=prefix))
    with pytest.raises(UserError) as error:
        model.init_weights()
    assert str(error.value).startswith(f'checkpoint {tmp_path}/x.pth does not initialise this FEC: {says}')


def test_unconverted_and_foreign_checkpoints(tmp_path: Path) -> None:
    def line(state: dict, **prefix: str) -> str:
        torch.save(state, tmp_path / 'x.pth')
        with pytest.raises(UserError) as error:
            FEC(ARCH, init_cfg=dict(type='Pretrained', checkpoint=f'{tmp_path}/x.pth', **prefix)).init_weights()
        return str(error.value)

    assert line({'network.0.0.norm1.weight': torch.zeros(1)}).endswith('convert_released.py first')
    assert line({'conv1.weight': torch.zeros(1), 'fc.bias': torch.zeros(1)}, prefix='backbone.').endswith(
        "no key starts with 'backbone.': its keys start with conv1, fc; correct the prefix, or leave it out"
    )
