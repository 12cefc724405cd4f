"""The quick-start trainings in small: their own data, pipelines, losses, schedules and hooks."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCOPES = {'classification': 'mmpretrain', 'detection': 'mmdet', 'segmentation': 'mmseg'}
COMMON = """
_base_ = '{root}/configs/quickstart/{task}.py'
experiment_name = '{name}'
train_dataloader = dict(batch_size=4, dataset=dict(indices=16))
val_dataloader = dict(batch_size=4, dataset=dict(indices=4))
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(save_best='auto', rule='greater'))
"""
SMALL = (
    'depths=(1, 1, 1, 1), embed_dims=(16, 16, 24, 24), num_heads=(2, 2, 2, 2), head_dims=(8, 8, 8, 8), '
    'mlp_ratios=(2, 2, 2, 2)'
)
TASKS = {
    'classification': f"""
model = dict(backbone=dict(arch=dict({SMALL}), drop_path_rate=0.1), head=dict(in_channels=24),
             train_cfg=dict(augments=[dict(type='Mixup', alpha=0.8), dict(type='CutMix', alpha=1.0)]))
train_cfg = dict(max_epochs=4, val_interval=2)
param_scheduler = dict(total_steps=4)
""",
    'detection': f"""
model = dict(backbone=dict(arch=dict({SMALL})), neck=dict(in_channels=[16, 16, 24, 24], out_channels=16),
             rpn_head=dict(in_channels=16, feat_channels=16),
             roi_head=dict(bbox_roi_extractor=dict(out_channels=16), bbox_head=dict(in_channels=16, fc_out_channels=32),
                           mask_roi_extractor=dict(out_channels=16),
                           mask_head=dict(num_convs=1, in_channels=16, conv_out_channels=16)))
train_cfg = dict(max_epochs=3, val_interval=2)
param_scheduler = dict(total_steps=3)
""",
    'segmentation': f"""
model = dict(backbone=dict(arch=dict({SMALL})), neck=dict(in_channels=[16, 16, 24, 24], out_channels=16),
             decode_head=dict(in_channels=[16] * 4, channels=16))
train_cfg = dict(max_iters=9, val_interval=4)
param_scheduler = dict(total_steps=9)
default_hooks['checkpoint']['interval'] = 3
""",
}


def make_quickstart(folder: Path, task: str, extra: str = '') -> Path:
    """Write a config on the data of `make train`, for a process with one thread."""
    data = Path(os.environ.get('FEC_DATA', ROOT / 'data'))
    for name in ('digits', 'digit_scenes'):
        if not (data / name / 'settings.json').is_file():
            pytest.skip(f'{data}/{name} does not exist: make test-faults makes it')
    os.environ['FEC_DATA'] = str(data)
    path = folder / f'{task}.py'
    path.write_text(COMMON.format(root=ROOT, task=task, name=uuid.uuid4().hex) + TASKS[task] + extra)
    return path
