# Beyond the paper: panoptic FPN. Its data needs panopticapi, which PyPI does not have:
# pip install git+https://github.com/cocodataset/panopticapi.git
_base_ = ['mmdet::panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py', '../../_base_/models/fec_small.py']
model = dict(backbone=_base_.fec_small_detection, neck=dict(in_channels=[32, 64, 196, 320]))
data_root = '{{$FEC_DATA:data}}/coco/'
train_dataloader = dict(batch_size=4, dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = dict(dataset=dict(data_root=data_root))
panoptic = dict(
    ann_file=data_root + 'annotations/panoptic_val2017.json', seg_prefix=data_root + 'annotations/panoptic_val2017/')
val_evaluator = panoptic
test_evaluator = panoptic
# As in ../../_base_/schedules/coco_1x.py.
optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=2e-4, weight_decay=1e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(type='MultiStepLR', by_epoch=True, begin=0, end=12, milestones=[8, 9, 11], gamma=0.2)
]
