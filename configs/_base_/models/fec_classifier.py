# FEC-S for ImageNet: backbone (with its norm), mean over positions, linear layer; Mixup and CutMix, each half the time.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='fec_mm.FEC', arch='small', drop_path_rate=0.1),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=320,
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original'),
        topk=(1, 5)),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.8), dict(type='CutMix', alpha=1.0)]))
