_base_ = 'resnet50.py'
model = dict(backbone=dict(norm_cfg=dict(type='GN', num_groups=32)))
