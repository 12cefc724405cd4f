_base_ = 'coc-tiny_8xb128-310e_in1k.py'
model = dict(backbone=dict(arch='base'), head=dict(in_channels=512))
