# 5,000 MNIST digits as images: python tools/dataset_converters/digits.py
data_root = '{{$FEC_DATA:data}}/digits'
data_preprocessor = dict(num_classes=10, mean=[33.3, 33.3, 33.3], std=[78.6, 78.6, 78.6], to_rgb=True)
augmentation = [
    dict(type='Rotate', angle=15., prob=0.5, pad_val=0, interpolation='bilinear'),
    dict(type='Translate', magnitude=0.1, prob=0.5, pad_val=0, direction='horizontal', interpolation='bilinear'),
    dict(type='Translate', magnitude=0.1, prob=0.5, pad_val=0, direction='vertical', interpolation='bilinear')
]
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=48), dict(type='PackInputs')]
train_pipeline = [*test_pipeline[:2], *augmentation, test_pipeline[2]]
train_dataloader = dict(
    batch_size=64,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='CustomDataset', data_root=data_root, data_prefix='train', pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=100,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CustomDataset', data_root=data_root, data_prefix='val', pipeline=test_pipeline))
val_evaluator = dict(type='Accuracy', topk=(1, ))
test_dataloader = val_dataloader
test_evaluator = val_evaluator
