_base_ = 'enformer-small_4xb256-310e_in1k.py'
model = dict(backbone=dict(arch='large'), head=dict(in_channels=512))
