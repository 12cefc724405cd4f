# By FEC's recipe; the authors published none for ADE20K.
_base_ = '../fec/fec-small_fpn_4xb4-80k_ade20k-512x512.py'
model = dict(
    backbone=dict(_delete_=True, type='fec_mm.CLUENet', arch='tiny', out_indices=(0, 1, 2, 3)),
    neck=dict(in_channels=[32, 64, 196, 320]))
