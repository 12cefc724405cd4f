_base_ = 'coc-small_fpn_4xb4-80k_ade20k-512x512.py'
model = dict(backbone=dict(arch='medium'))
