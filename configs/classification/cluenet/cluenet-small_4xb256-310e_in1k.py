_base_ = 'cluenet-tiny_4xb256-310e_in1k.py'
model = dict(backbone=dict(arch='small'), head=dict(in_channels=512))
