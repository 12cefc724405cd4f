# Initialise the backbone from an ImageNet checkpoint (converted by tools/model_converters/convert_released.py) with
# --cfg-options model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=FILE
#               model.backbone.init_cfg.prefix=backbone.
_base_ = [
    '../../_base_/models/mask-rcnn_fec_fpn.py', '../../_base_/datasets/coco.py', '../../_base_/schedules/coco_1x.py',
    '../../_base_/runtimes/mmdet.py'
]
