"""Images of random sizes, 200 per task: what comes out has the right shape, range and finite gradients."""

from __future__ import annotations

import importlib
import math
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData, PixelData

from fec_mm import compat
from tests.tools.tiny import TASKS, make_config

COUNT = int(os.environ.get('FEC_SIZES', '200'))  # per task
SMALLEST, LARGEST = 32, 1333
pytestmark = pytest.mark.faults


def make_sample(scope: str, height: int, width: int) -> Any:
    """The annotation of an image: a class; a box in its middle; a map of two classes."""
    shape = height, width
    meta = dict(img_shape=shape, ori_shape=shape, batch_input_shape=shape, scale_factor=(1.0, 1.0), img_id=0)
    if scope == 'mmpretrain':
        return importlib.import_module('mmpretrain.structures').DataSample(metainfo=meta).set_gt_label(1)
    if scope == 'mmdet':
        sample = importlib.import_module('mmdet.structures').DetDataSample(metainfo=meta)
        box = torch.tensor([[width * 0.25, height * 0.25, width * 0.75, height * 0.75]])
        sample.gt_instances = InstanceData(bboxes=box, labels=torch.zeros(1, dtype=torch.long))
        return sample
    sample = importlib.import_module('mmseg.structures').SegDataSample(metainfo=meta)
    labels = torch.zeros(1, height, width, dtype=torch.long)
    labels[:, height // 2 :] = 1
    sample.gt_sem_seg = PixelData(data=labels)
    return sample


def check_prediction(scope: str, sample: Any, height: int, width: int) -> None:
    if scope == 'mmpretrain':
        assert sample.pred_score.sum().item() == pytest.approx(1)
    elif scope == 'mmdet':
        boxes, scores = sample.pred_instances.bboxes, sample.pred_instances.scores
        assert torch.isfinite(boxes).all() and ((scores >= 0) & (scores <= 1)).all()
        assert (boxes >= 0).all() and (boxes <= torch.tensor([width, height, width, height])).all()
    else:
        assert sample.pred_sem_seg.shape == (height, width)
        assert set(sample.pred_sem_seg.data.unique().tolist()) <= {0, 1}
        assert torch.isfinite(sample.seg_logits.data).all()


@pytest.mark.parametrize('scope', TASKS)
def test_random_sizes(tmp_path: Path, scope: str) -> None:
    """Sides are log-uniform and independent of each other; the model is in evaluation, as single pixels have no
    variance."""
    compat.apply()
    importlib.import_module(scope)
    cfg = Config.fromfile(make_config(tmp_path, scope))
    compat._replace_sync_bn(cfg.model)
    if scope == 'mmseg':
        cfg.model.data_preprocessor.size, cfg.model.data_preprocessor.size_divisor = None, 1
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(scope):
        model = importlib.import_module(f'{scope}.registry').MODELS.build(cfg.model)
        model.init_weights()
    model.eval()
    rng, noise = random.Random(scope), np.random.default_rng(0)
    channels = 1 if scope == 'mmpretrain' else 3
    for _ in range(COUNT):
        height, width = (round(math.exp(rng.uniform(math.log(SMALLEST), math.log(LARGEST)))) for _ in range(2))
        image = torch.from_numpy(noise.integers(0, 256, (channels, height, width), dtype=np.uint8))
        data = dict(inputs=[image], data_samples=[make_sample(scope, height, width)])
        if scope == 'mmpretrain':
            data['inputs'] = image[None]
        (predicted,) = model.test_step(data)
        check_prediction(scope, predicted, height, width)
        data = dict(inputs=data['inputs'], data_samples=[make_sample(scope, height, width)])
        with torch.enable_grad():
            loss, _ = model.parse_losses(model(**model.data_preprocessor(data, True), mode='loss'))
            model.zero_grad()
            loss.backward()
        assert torch.isfinite(loss), (height, width)
        for name, parameter in model.named_parameters():
            assert parameter.grad is None or torch.isfinite(parameter.grad).all(), (height, width, name)
