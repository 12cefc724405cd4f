_base_ = '../fec/fec-small_fpn_4xb4-80k_ade20k-512x512.py'
model = dict(
    backbone=dict(
        type='fec_mm.ContextCluster', arch='small', centers_per_side=(2, 2, 2, 2), regions_per_side=(8, 4, 2, 1)),
    neck=dict(in_channels=[64, 128, 320, 512]))
