_base_ = 'mask-rcnn_enformer-small_fpn_4xb4-1x_coco.py'
model = dict(backbone=dict(arch='base'), neck=dict(in_channels=[64, 128, 320, 512]))
