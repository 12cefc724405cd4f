"""The smallest data sets and configs that the three toolboxes train on: bright squares on dark noise, in a second."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 64
TASKS = ('mmpretrain', 'mmdet', 'mmseg')

COMMON = """
fec = dict(
    depths=(1, 1, 1, 1), embed_dims=(8, 12, 16, 20), num_heads=(2, 2, 2, 2), head_dims=(4, 4, 4, 4),
    mlp_ratios=(2, 2, 2, 2), centers_per_side=(2, 2, 2, 1), regions_per_side=(2, 1, 1, 1))
default_scope = '{scope}'
work_dir = '{root}/work'
train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3))
param_scheduler = [dict(type='OneCycleLR', eta_max=2e-3, total_steps=2, by_epoch=True, convert_to_iter_based=True)]
auto_scale_lr = dict(enable=False, base_batch_size=8)
default_hooks = dict(
    timer=dict(type='IterTimerHook'), logger=dict(type='LoggerHook', interval=1),
    param_scheduler=dict(type='ParamSchedulerHook'), sampler_seed=dict(type='DistSamplerSeedHook'),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2, save_best='auto', rule='greater'))
env_cfg = dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
               dist_cfg=dict(backend='nccl'))
log_level = 'INFO'
randomness = dict(seed=0)
"""

LOADERS = """
def loader(train):
    return dict(batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=train),
                dataset=dict(type='{dataset}', data_root='{root}/data', {arguments}, test_mode=not train,
                             pipeline=train_pipeline if train else test_pipeline))
train_dataloader = loader(True)
val_dataloader = test_dataloader = loader(False)
del loader
"""

CONFIGS = {
    'mmpretrain': """
model = dict(type='ImageClassifier', neck=dict(type='GlobalAveragePooling'),
             head=dict(type='LinearClsHead', num_classes=2, in_channels=20, topk=(1, )),
             backbone=dict(type='fec_mm.FEC', arch=fec, in_channels=1, layer_scale_init_value=0.1),
             data_preprocessor=dict(num_classes=2, mean=[127.], std=[127.], to_rgb=False))
train_pipeline = test_pipeline = [
    dict(type='LoadImageFromFile', color_type='grayscale'), dict(type='Resize', scale=32), dict(type='PackInputs')]
val_evaluator = test_evaluator = dict(type='Accuracy', topk=(1, ))
""",
    'mmdet': """
norm = dict(type='SyncBN', requires_grad=True)
model = dict(
    type='RetinaNet',
    data_preprocessor=dict(type='DetDataPreprocessor', mean=[127.] * 3, std=[127.] * 3, pad_size_divisor=32),
    backbone=dict(type='fec_mm.FEC', arch=fec, out_indices=(2, 3), layer_scale_init_value=0.1),
    neck=dict(type='FPN', in_channels=[16, 20], out_channels=16, num_outs=2, norm_cfg=norm),
    bbox_head=dict(type='RetinaHead', num_classes=1, in_channels=16, stacked_convs=1, feat_channels=16,
                   anchor_generator=dict(type='AnchorGenerator', octave_base_scale=1, scales_per_octave=1, ratios=[1.0],
                                         strides=[16, 32]),
                   bbox_coder=dict(type='DeltaXYWHBBoxCoder'), loss_cls=dict(type='FocalLoss'),
                   loss_bbox=dict(type='L1Loss')),
    train_cfg=dict(
        assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0, ignore_iof_thr=-1),
        sampler=dict(type='PseudoSampler'), allowed_border=-1, pos_weight=-1),
    test_cfg=dict(nms_pre=100, min_bbox_size=0, score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5), max_per_img=20))
train_pipeline = test_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True), dict(type='Resize', scale=(64, 64)),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))]
val_evaluator = test_evaluator = dict(type='CocoMetric', ann_file='{root}/data/boxes.json', metric='bbox')
""",
    'mmseg': """
norm = dict(type='SyncBN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', mean=[127.] * 3, std=[127.] * 3, size=(64, 64), seg_pad_val=255),
    backbone=dict(type='fec_mm.ContextCluster', arch=fec, layer_scale_init_value=0.1),
    decode_head=dict(type='FCNHead', in_channels=20, in_index=0, channels=8, num_convs=1, num_classes=2, norm_cfg=norm,
                     loss_decode=dict(type='CrossEntropyLoss')),
    train_cfg=dict(), test_cfg=dict(mode='whole'))
train_pipeline = test_pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='Resize', scale=(64, 64)),
    dict(type='PackSegInputs')]
val_evaluator = test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
""",
}
ARGUMENTS = {
    'mmpretrain': ('CustomDataset', "data_prefix='classes'"),
    'mmdet': (
        'CocoDataset',
        "ann_file='boxes.json', data_prefix=dict(img='images/'), "
        "metainfo=dict(classes=('square', )), filter_cfg=dict(filter_empty_gt=True) if train else None",
    ),
    'mmseg': (
        'BaseSegDataset',
        "data_prefix=dict(img_path='images', seg_map_path='maps'), img_suffix='.png', "
        "metainfo=dict(classes=('ground', 'square'), palette=[[0, 0, 0], [255, 0, 0]])",
    ),
}


def make_data(root: Path, images: int = 8) -> None:
    """Write `root/data`: images, label maps and boxes of squares; the same images in folders by the square's half."""
    rng = np.random.default_rng(0)
    coco: dict[str, list] = {'images': [], 'annotations': [], 'categories': [{'id': 1, 'name': 'square'}]}
    for folder in ('images', 'maps', 'classes/left', 'classes/right'):
        (root / 'data' / folder).mkdir(parents=True)
    for i in range(images):
        image = rng.integers(0, 60, (SIZE, SIZE, 3), dtype=np.uint8)
        labels = np.zeros((SIZE, SIZE), dtype=np.uint8)
        side = int(rng.integers(16, 28))
        y, x = int(rng.integers(0, SIZE - side)), int(rng.integers(0, 4)) + (i % 2) * (SIZE // 2)
        image[y : y + side, x : x + side] = 220
        labels[y : y + side, x : x + side] = 1
        Image.fromarray(image).save(root / f'data/images/{i}.png')
        Image.fromarray(labels).save(root / f'data/maps/{i}.png')
        Image.fromarray(image).save(root / f'data/classes/{("left", "right")[i % 2]}/{i}.png')
        coco['images'].append({'id': i, 'file_name': f'{i}.png', 'height': SIZE, 'width': SIZE})
        coco['annotations'].append(
            {
                'id': i + 1,
                'image_id': i,
                'category_id': 1,
                'bbox': [x, y, side, side],
                'area': side * side,
                'iscrowd': 0,
            }
        )
    (root / 'data/boxes.json').write_text(json.dumps(coco))


def make_config(root: Path, scope: str, extra: str = '', folder: Path | None = None) -> Path:
    """Write `folder/<scope>.py`, a config of a toolbox on the data of `make_data(root)`, ended by the text `extra`."""
    dataset, arguments = ARGUMENTS[scope]
    text = (COMMON + CONFIGS[scope]).replace('{root}', str(root)).replace('{scope}', scope)
    text += LOADERS.replace('{root}', str(root)).replace('{dataset}', dataset).replace('{arguments}', arguments)
    path = (folder or root) / f'{scope}.py'
    # mmengine names its global instances, the scope among them, by this and the second.
    path.write_text(f"experiment_name = '{uuid.uuid4().hex}'\n{text}{extra}")
    return path
