# Five superclasses of two digits each, trained on superclass labels: python tools/dataset_converters/digits.py
_base_ = ['../../../_base_/runtimes/mmpretrain.py']
# The pairing of the ten digits that nearest neighbours in pixels confuse most, and the one that they confuse least
# (tests/test_probing_configs.py works both out again).
natural = [dict(name='-'.join(map(str, pair)), subclasses=pair) for pair in ([0, 6], [1, 8], [2, 7], [3, 5], [4, 9])]
unrelated = [dict(name='-'.join(map(str, pair)), subclasses=pair) for pair in ([0, 3], [1, 5], [2, 9], [4, 8], [6, 7])]
num_superclasses, num_subclasses = 5, 10
data_root = '{{$FEC_DATA:data}}/digits'
data_preprocessor = dict(num_classes=num_superclasses, mean=[33.3, 33.3, 33.3], std=[78.6, 78.6, 78.6], to_rgb=True)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=32),
    dict(type='Rotate', angle=15., prob=0.5, pad_val=0, interpolation='bilinear'),
    dict(type='Translate', magnitude=0.1, prob=0.5, pad_val=0, direction='horizontal', interpolation='bilinear'),
    dict(type='Translate', magnitude=0.1, prob=0.5, pad_val=0, direction='vertical', interpolation='bilinear'),
    dict(type='PackInputs')
]
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=32), dict(type='PackInputs')]
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='fec_mm.SuperclassDataset',
        superclasses=natural,
        dataset=dict(type='CustomDataset', data_root=data_root, data_prefix='train', pipeline=train_pipeline)))
val_dataloader = dict(
    batch_size=100,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='fec_mm.SuperclassDataset',
        superclasses=natural,
        dataset=dict(type='CustomDataset', data_root=data_root, data_prefix='val', pipeline=test_pipeline)))
val_evaluator = dict(type='Accuracy', topk=(1, ))
test_dataloader = val_dataloader
test_evaluator = val_evaluator
max_epochs = 12
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=max_epochs)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0., bias_decay_mult=0.))
param_scheduler = dict(
    type='OneCycleLR', eta_max=2e-3, total_steps=max_epochs, by_epoch=True, convert_to_iter_based=True)
