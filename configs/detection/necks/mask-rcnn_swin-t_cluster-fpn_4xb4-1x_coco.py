# Beyond the paper: Mask R-CNN with Swin-T, which the toolbox's defaults are, and ClusterFPN.
_base_ = 'mask-rcnn_r50_cluster-fpn_4xb4-1x_coco.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='SwinTransformer',
        drop_path_rate=0.2,
        convert_weights=True,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://github.com/SwinTransformer/storage/releases/download/v1.0.0/swin_tiny_patch4_window7_224.pth')),
    neck=dict(in_channels=[96, 192, 384, 768]))
