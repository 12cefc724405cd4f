# Beyond the paper: Mask2Former for instances, with the recipe of mmdet's ResNet-50 config.
_base_ = ['mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco.py', '../../_base_/models/fec_small.py']
model = dict(backbone=_base_.fec_small_detection, panoptic_head=dict(in_channels=[32, 64, 196, 320]))
data_root = '{{$FEC_DATA:data}}/coco/'
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = dict(dataset=dict(data_root=data_root))
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val2017.json')
test_evaluator = dict(ann_file=data_root + 'annotations/instances_val2017.json')
