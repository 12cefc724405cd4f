# A ResNet-18 of a quarter of the width, for images of 32².
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=18, base_channels=16, stem_channels=16, norm_cfg=dict(type='BN')),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', in_channels=128, loss=dict(type='CrossEntropyLoss'), topk=(1, )))
