# SimSiam (Chen and He, arXiv 2011.10566): a FEC that learns from two views of each digit, and from no label.
_base_ = [
    '../../_base_/datasets/digits.py', '../../_base_/schedules/digits.py', '../../_base_/runtimes/mmpretrain.py',
    '../_base_/models/fec-mini.py'
]
model = dict(
    _delete_=True,
    type='SimSiam',
    data_preprocessor=dict(type='SelfSupDataPreprocessor', mean=[33.3] * 3, std=[78.6] * 3, to_rgb=True),
    backbone=_base_.model.backbone,
    neck=dict(
        type='NonLinearNeck',
        in_channels=128,
        hid_channels=256,
        out_channels=256,
        num_layers=3,
        with_last_bn_affine=False,
        with_avg_pool=True),
    head=dict(
        type='LatentPredictHead',
        loss=dict(type='CosineSimilarityLoss'),
        predictor=dict(
            type='NonLinearNeck',
            in_channels=256,
            hid_channels=64,
            out_channels=256,
            with_avg_pool=False,
            with_last_bn=False,
            with_last_bias=True)))
# A mirrored digit is another one, or none.
view = [
    dict(type='RandomResizedCrop', scale=32, crop_ratio_range=(0.4, 1.0)),
    dict(type='Rotate', angle=20., prob=0.5, random_negative_prob=0.5),
    dict(type='ColorJitter', brightness=0.4, contrast=0.4),
]
max_epochs = 20
train_cfg = dict(_delete_=True, by_epoch=True, max_epochs=max_epochs)
train_dataloader = dict(
    batch_size=128,
    dataset=dict(pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='MultiView', num_views=2, transforms=[view]),
        dict(type='PackInputs')
    ]))
val_cfg = val_dataloader = val_evaluator = test_cfg = test_dataloader = test_evaluator = None
param_scheduler = dict(total_steps=max_epochs)
