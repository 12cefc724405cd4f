_base_ = 'cluenet-tiny_fpn_4xb4-80k_ade20k-512x512.py'
model = dict(backbone=dict(arch='small'), neck=dict(in_channels=[64, 128, 320, 512]))
