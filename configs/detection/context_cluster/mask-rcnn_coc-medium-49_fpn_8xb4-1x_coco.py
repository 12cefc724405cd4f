_base_ = 'mask-rcnn_coc-small-49_fpn_8xb4-1x_coco.py'
model = dict(backbone=dict(arch='medium'))
