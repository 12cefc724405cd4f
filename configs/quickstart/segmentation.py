# A small Semantic FPN with FEC labels the pixels of handwritten digits in photographs: minutes on two cores.
_base_ = [
    '../_base_/models/fec_fpn.py', '../_base_/models/fec_mini.py', '../_base_/datasets/digit_scenes_segmentation.py',
    '../_base_/runtimes/mmseg.py'
]
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    data_preprocessor=dict(size=(192, 192)),
    backbone=dict(
        _delete_=True,
        type='fec_mm.FEC',
        arch=_base_.fec_mini,
        layer_scale_init_value=0.1,
        out_indices=(0, 1, 2, 3)),
    # Normalised and rectified: without, the plain FPN learns the digits' classes later (README).
    neck=dict(
        in_channels=[32, 64, 128, 192],
        out_channels=64,
        norm_cfg=norm_cfg,
        act_cfg=dict(type='ReLU')),
    decode_head=dict(
        in_channels=[64, 64, 64, 64],
        channels=128,
        num_classes=11,
        norm_cfg=norm_cfg,
        # More than nine pixels of ten are background.
        loss_decode=dict(class_weight=[0.2] + [1.0] * 10)))
max_iters = 1500
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=500)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=3e-3, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0., bias_decay_mult=0.))
param_scheduler = dict(type='OneCycleLR', eta_max=3e-3, pct_start=0.15, total_steps=max_iters, by_epoch=False)
default_hooks = dict(checkpoint=dict(interval=500))
auto_scale_lr = dict(enable=False, base_batch_size=4)
