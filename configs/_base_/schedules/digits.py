# 12 epochs of AdamW under one cycle: what small models take to read digits.
max_epochs = 12
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=max_epochs)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0., bias_decay_mult=0.))
param_scheduler = dict(
    type='OneCycleLR', eta_max=2e-3, total_steps=max_epochs, by_epoch=True, convert_to_iter_based=True)
