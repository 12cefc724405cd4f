# The papers' ImageNet recipe: 310 epochs, total batch 1024, AdamW; weight decay on tensors of two or more dimensions only.
optim_wrapper = dict(
    type='AmpOptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    paramwise_cfg=dict(
        norm_decay_mult=0.,
        bias_decay_mult=0.,
        custom_keys={key: dict(decay_mult=0.) for key in ('layer_scale', 'alpha', 'beta')}))
param_scheduler = dict(type='fec_mm.WarmupCosineLR', T_max=300, warmup=5, eta_min=1e-6)
train_cfg = dict(by_epoch=True, max_epochs=310, val_interval=10)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(enable=False, base_batch_size=1024)
