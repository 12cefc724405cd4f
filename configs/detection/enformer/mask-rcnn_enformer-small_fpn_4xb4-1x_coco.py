_base_ = '../fec/mask-rcnn_fec-small_fpn_4xb4-1x_coco.py'
model = dict(
    backbone=dict(_delete_=True, type='fec_mm.EnFormer', arch='small', task='detection', out_indices=(0, 1, 2, 3)),
    neck=dict(in_channels=[40, 80, 160, 320]))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(type='MultiStepLR', by_epoch=True, begin=0, end=12, milestones=[8, 11], gamma=0.1)
]
