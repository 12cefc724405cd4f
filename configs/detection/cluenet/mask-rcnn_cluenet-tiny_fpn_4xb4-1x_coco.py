# By FEC's recipe; the authors published none for COCO.
_base_ = '../fec/mask-rcnn_fec-small_fpn_4xb4-1x_coco.py'
model = dict(
    backbone=dict(_delete_=True, type='fec_mm.CLUENet', arch='tiny', out_indices=(0, 1, 2, 3)),
    neck=dict(in_channels=[32, 64, 196, 320]))
