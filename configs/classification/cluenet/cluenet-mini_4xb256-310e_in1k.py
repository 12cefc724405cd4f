_base_ = 'cluenet-tiny_4xb256-310e_in1k.py'
model = dict(backbone=dict(arch='mini'), head=dict(in_channels=256))
