# A small FEC classifies handwritten digits: minutes on two cores.
_base_ = [
    '../_base_/models/fec_mini.py', '../_base_/datasets/digits.py', '../_base_/schedules/digits.py',
    '../_base_/runtimes/mmpretrain.py'
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
train_cfg = dict(val_interval=6)
auto_scale_lr = dict(base_batch_size=64)
