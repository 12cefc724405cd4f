# The number in the name is the centers of a region: 2×2.
_base_ = '../fec/mask-rcnn_fec-small_fpn_4xb4-1x_coco.py'
model = dict(
    backbone=dict(
        type='fec_mm.ContextCluster', arch='small', centers_per_side=(2, 2, 2, 2), regions_per_side=(8, 4, 2, 1)),
    neck=dict(in_channels=[64, 128, 320, 512]))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(type='MultiStepLR', by_epoch=True, begin=0, end=12, milestones=[8, 11], gamma=0.1)
]
auto_scale_lr = dict(base_batch_size=32)
