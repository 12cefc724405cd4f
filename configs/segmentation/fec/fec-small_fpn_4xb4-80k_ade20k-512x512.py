# Initialise the backbone from an ImageNet checkpoint as described in ../../detection/fec/mask-rcnn_fec-small_fpn_4xb4-1x_coco.py.
_base_ = [
    '../../_base_/models/fec_fpn.py', '../../_base_/datasets/ade20k.py', '../../_base_/schedules/ade20k_80k.py',
    '../../_base_/runtimes/mmseg.py'
]
default_hooks = dict(checkpoint=dict(interval=8000))
