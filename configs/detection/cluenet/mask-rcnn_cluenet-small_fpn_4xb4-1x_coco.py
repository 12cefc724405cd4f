_base_ = 'mask-rcnn_cluenet-tiny_fpn_4xb4-1x_coco.py'
model = dict(backbone=dict(arch='small'), neck=dict(in_channels=[64, 128, 320, 512]))
