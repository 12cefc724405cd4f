# Beyond the paper: Mask R-CNN with a ResNet-50 that encodes by clustering, and the plain FPN.
_base_ = 'mask-rcnn_r50_cluster-fpn_4xb4-1x_coco.py'
model = dict(
    backbone=dict(plugins=[
        dict(
            cfg=dict(type='fec_mm.ClusterEncode', centers_per_side=7),
            stages=(False, True, True, True),
            position='after_conv2')
    ]),
    neck=dict(type='FPN'))
