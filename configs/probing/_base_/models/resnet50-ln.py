# Layer normalisation over channels and positions: a group normalisation of one group.
_base_ = 'resnet50.py'
model = dict(backbone=dict(norm_cfg=dict(type='GN', num_groups=1)))
