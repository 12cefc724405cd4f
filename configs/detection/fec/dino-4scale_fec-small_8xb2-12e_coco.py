# Beyond the paper: DINO, with the recipe of mmdet's ResNet-50 config.
_base_ = [
    'mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py', '../../_base_/models/fec_small.py'
]
_base_.fec_small_detection.out_indices = (1, 2, 3)
model = dict(backbone=_base_.fec_small_detection, neck=dict(in_channels=[64, 196, 320]))
data_root = '{{$FEC_DATA:data}}/coco/'
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = dict(dataset=dict(data_root=data_root))
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val2017.json')
test_evaluator = dict(ann_file=data_root + 'annotations/instances_val2017.json')
