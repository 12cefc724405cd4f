# Beyond the paper: Mask R-CNN with ResNet-50 and ClusterFPN, by the recipe of the FEC models.
_base_ = [
    'mmdet::_base_/models/mask-rcnn_r50_fpn.py', '../../_base_/datasets/coco.py', '../../_base_/schedules/coco_1x.py',
    '../../_base_/runtimes/mmdet.py'
]
model = dict(neck=dict(type='fec_mm.ClusterFPN'))
