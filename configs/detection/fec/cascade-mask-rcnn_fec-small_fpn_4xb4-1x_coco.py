# Beyond the paper: Cascade Mask R-CNN.
_base_ = [
    'mmdet::_base_/models/cascade-mask-rcnn_r50_fpn.py', '../../_base_/models/fec_small.py', '../../_base_/datasets/coco.py',
    '../../_base_/schedules/coco_1x.py', '../../_base_/runtimes/mmdet.py'
]
model = dict(backbone=_base_.fec_small_detection, neck=dict(in_channels=[32, 64, 196, 320]))
