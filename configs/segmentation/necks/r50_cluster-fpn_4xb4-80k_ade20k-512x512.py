# Beyond the paper: Semantic FPN with ResNet-50 and ClusterFPN, by the recipe of the FEC models.
_base_ = [
    'mmseg::_base_/models/fpn_r50.py', '../../_base_/datasets/ade20k.py', '../../_base_/schedules/ade20k_80k.py',
    '../../_base_/runtimes/mmseg.py'
]
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    neck=dict(type='fec_mm.ClusterFPN'),
    decode_head=dict(num_classes=150))
default_hooks = dict(checkpoint=dict(interval=8000))
