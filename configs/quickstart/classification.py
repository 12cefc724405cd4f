# A small FEC classifies handwritten digits: minutes on two cores.
_base_ = [
    '../_base_/models/fec_mini.py', '../_base_/datasets/digits.py', '../_base_/runtimes/mmpretrain.py'
]
model = dict(
    type='ImageClassifier',
    # At the published layer scale of 1e-5 the clustering would hardly contribute within minutes of training.
    backbone=dict(type='fec_mm.FEC', arch=_base_.fec_mini, layer_scale_init_value=1.0),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=192,
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original'),
        topk=(1, )))
max_epochs = 12
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=6)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0., bias_decay_mult=0.))
param_scheduler = dict(
    type='OneCycleLR', eta_max=2e-3, total_steps=max_epochs, by_epoch=True, convert_to_iter_based=True)
auto_scale_lr = dict(base_batch_size=64)
