# A small Semantic FPN with FEC labels the pixels of handwritten digits in photographs: minutes on two cores.
_base_ = [
    '../_base_/models/fec_fpn.py', '../_base_/models/fec_mini.py', '../_base_/datasets/digit_scenes_segmentation.py',
    '../_base_/runtimes/mmseg.py'
]
norm_cfg = dict(type='BN', requires_grad=True)
# Crops rich in digits: seven pixels of a hundred are digits' in a whole scene, eleven here.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=(128, 128), cat_max_ratio=0.85),
    dict(type='PackSegInputs')
]
# On two cores a worker takes from the network's threads more than it brings.
train_dataloader = dict(
    batch_size=8, num_workers=0, persistent_workers=False, dataset=dict(pipeline=train_pipeline))
model = dict(
    data_preprocessor=dict(size=(128, 128)),
    backbone=dict(
        _delete_=True,
        type='fec_mm.FEC',
        arch=_base_.fec_mini,
        layer_scale_init_value=1.0,
        out_indices=(0, 1, 2, 3)),
    # Path aggregation, normalised and rectified: digits are told apart by their shape, and these 3×3 convolutions see it
    # (docs/results/quickstart.md).
    neck=dict(
        type='mmdet.PAFPN',
        in_channels=[32, 64, 128, 192],
        out_channels=64,
        norm_cfg=norm_cfg,
        act_cfg=dict(type='ReLU')),
    decode_head=dict(
        in_channels=[64, 64, 64, 64],
        channels=64,
        num_classes=11,
        norm_cfg=norm_cfg,
        # Background is most of it, and soon easy: pixels that are right with 0.7 do not count.
        sampler=dict(type='OHEMPixelSampler', thresh=0.7, min_kept=2000)))
max_iters = 2000
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=500)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=3e-3, weight_decay=0.05, fused=True),
    paramwise_cfg=dict(norm_decay_mult=0., bias_decay_mult=0.))
# It ends at four fifths of the cycle, with an eighth of the peak, and the average of the last fifty steps or so stands in for the rest
# (docs/results/quickstart.md).
param_scheduler = dict(type='OneCycleLR', eta_max=3e-3, pct_start=0.15, total_steps=max_iters * 5 // 4, by_epoch=False)
custom_hooks = [dict(type='EMAHook', momentum=0.02)]
default_hooks = dict(
    checkpoint=dict(interval=500),
    channels_last=dict(type='fec_mm.ChannelsLastHook'))
auto_scale_lr = dict(enable=False, base_batch_size=8)
