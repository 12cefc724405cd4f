"""Every recipe takes a training step and predicts, at a small size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from .test_recipes import ALL

pytestmark = pytest.mark.slow
SIZE = (96, 128)


def batch(scope: str, masks: bool = True) -> dict[str, Any]:
    """Two images and what is in them, as the data loaders of a toolbox give them; objects perhaps without masks."""
    if scope == 'mmdet':
        from mmdet.testing import demo_mm_inputs

        data = demo_mm_inputs(
            2, [(3, *SIZE)] * 2, num_items=[3, 1], num_classes=80, with_mask=masks, with_semantic=True
        )
        for sample in data['data_samples']:  # of panoptic heads: 80 things and 53 kinds of stuff
            sample.gt_sem_seg.sem_seg.random_(80, 133)
        return data
    inputs = torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8)
    if scope == 'mmpretrain':
        from mmpretrain.structures import DataSample

        return dict(inputs=inputs, data_samples=[DataSample().set_gt_label(i) for i in range(2)])
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    meta = dict(img_shape=SIZE, ori_shape=SIZE, pad_shape=SIZE)
    return dict(
        inputs=list(inputs),
        data_samples=[
            SegDataSample(gt_sem_seg=PixelData(data=torch.randint(0, 150, (1, *SIZE))), metainfo=meta) for _ in range(2)
        ],
    )


@pytest.mark.parametrize('path', ALL, ids=lambda path: path.stem)
def test_a_step_and_a_prediction(path: Path) -> None:
    cfg = Config.fromfile(path)
    scope = cfg.default_scope
    models = __import__(f'{scope}.registry', fromlist=['MODELS']).MODELS
    with DefaultScope.overwrite_default_scope(scope):
        if scope == 'mmpretrain':
            cfg.model.data_preprocessor = cfg.data_preprocessor
            cfg.model.data_preprocessor.type = 'ClsDataPreprocessor'
            cfg.model.data_preprocessor.batch_augments = cfg.model.pop('train_cfg')
        if 'num_queries' in cfg.model:  # not more than positions
            cfg.model.num_queries = 50
        if scope == 'mmseg':
            cfg.model.data_preprocessor.size = SIZE
        if scope == 'mmdet':  # which would pad to 1024×1024
            cfg.model.data_preprocessor.batch_augments = None
        if not cfg.model.backbone.type.startswith('fec_mm.'):  # nothing is downloaded
            cfg.model.backbone.init_cfg = None
            cfg.model.pop('pretrained', None)
        model = revert_sync_batchnorm(models.build(cfg.model))
        model.init_weights()  # as the runner does: some parameters are uninitialised memory before
        wrapper = build_optim_wrapper(model, {**cfg.optim_wrapper, 'type': 'OptimWrapper'})
        data = batch(scope, masks=cfg.model.type != 'RTMDet')
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        model.train()
        losses = model.train_step(data, wrapper)
        assert all(torch.isfinite(loss).all() for loss in losses.values())
        changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
        assert any(name.startswith('backbone.') for name in changed)
        if cfg.model.get('neck', {}).get('type') == 'fec_mm.ClusterFPN':
            assert {f'neck.{name}' for name, p in model.neck.named_parameters() if p.requires_grad} <= changed
        model.eval()
        predictions = model.val_step(batch(scope))
    assert len(predictions) == 2
