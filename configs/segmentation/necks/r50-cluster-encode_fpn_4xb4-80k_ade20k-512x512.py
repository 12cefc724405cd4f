# Beyond the paper: Semantic FPN with a ResNet-50 that encodes by clustering, and the plain FPN.
_base_ = 'r50_cluster-fpn_4xb4-80k_ade20k-512x512.py'
model = dict(
    backbone=dict(plugins=[
        dict(
            cfg=dict(type='fec_mm.ClusterEncode', centers_per_side=10),
            stages=(False, True, True, True),
            position='after_conv2')
    ]),
    neck=dict(type='FPN'))
