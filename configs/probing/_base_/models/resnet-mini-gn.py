_base_ = 'resnet-mini.py'
model = dict(backbone=dict(norm_cfg=dict(type='GN', num_groups=8)))
