# Beyond the paper: UPerNet.
_base_ = [
    'mmseg::_base_/models/upernet_r50.py', '../../_base_/models/fec_small.py', '../../_base_/datasets/ade20k.py',
    '../../_base_/schedules/ade20k_80k.py', '../../_base_/runtimes/mmseg.py'
]
model = dict(
    pretrained=None,
    data_preprocessor=dict(size=(512, 512)),
    backbone=_base_.fec_small_segmentation,
    decode_head=dict(in_channels=[32, 64, 196, 320], num_classes=150),
    auxiliary_head=dict(in_channels=196, num_classes=150))
default_hooks = dict(checkpoint=dict(interval=8000))
