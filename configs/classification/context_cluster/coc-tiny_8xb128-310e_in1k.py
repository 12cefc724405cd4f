_base_ = '../fec/fec-small_4xb256-310e_in1k.py'
model = dict(backbone=dict(type='fec_mm.ContextCluster', arch='tiny'))
train_dataloader = dict(batch_size=128)
val_dataloader = dict(batch_size=128)
test_dataloader = dict(batch_size=128)
