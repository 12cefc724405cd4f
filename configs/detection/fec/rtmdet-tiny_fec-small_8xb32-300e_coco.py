# Beyond the paper: RTMDet, with the neck, head and recipe of mmdet's tiny one.
_base_ = ['mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py', '../../_base_/models/fec_small.py']
_base_.fec_small_detection.out_indices = (1, 2, 3)
model = dict(backbone=_base_.fec_small_detection, neck=dict(in_channels=[64, 196, 320]))
data_root = '{{$FEC_DATA:data}}/coco/'
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = dict(dataset=dict(data_root=data_root))
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val2017.json')
test_evaluator = dict(ann_file=data_root + 'annotations/instances_val2017.json')
auto_scale_lr = dict(base_batch_size=256)
