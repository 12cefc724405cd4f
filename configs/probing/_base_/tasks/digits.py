# Five superclasses of two digits each, trained on superclass labels: python tools/dataset_converters/digits.py
_base_ = [
    '../../../_base_/datasets/digits.py', '../../../_base_/schedules/digits.py', '../../../_base_/runtimes/mmpretrain.py'
]
# The pairing of the ten digits that nearest neighbours in pixels confuse most, and the one that they confuse least
# (tests/test_probing_configs.py works both out again).
natural = [dict(name='-'.join(map(str, pair)), subclasses=pair) for pair in ([0, 6], [1, 8], [2, 7], [3, 5], [4, 9])]
unrelated = [dict(name='-'.join(map(str, pair)), subclasses=pair) for pair in ([0, 3], [1, 5], [2, 9], [4, 8], [6, 7])]
num_superclasses, num_subclasses = 5, 10
data_preprocessor = dict(num_classes=num_superclasses)
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=32), dict(type='PackInputs')]
train_pipeline = [*test_pipeline[:2], *_base_.augmentation, test_pipeline[2]]
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        _delete_=True,
        type='fec_mm.SuperclassDataset',
        superclasses=natural,
        dataset=dict(
            type='CustomDataset', data_root=_base_.data_root, data_prefix='train', pipeline=train_pipeline)))
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        _delete_=True,
        type='fec_mm.SuperclassDataset',
        superclasses=natural,
        dataset=dict(type='CustomDataset', data_root=_base_.data_root, data_prefix='val', pipeline=test_pipeline)))
test_dataloader = val_dataloader
