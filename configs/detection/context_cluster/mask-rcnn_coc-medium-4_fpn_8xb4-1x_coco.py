_base_ = 'mask-rcnn_coc-small-4_fpn_8xb4-1x_coco.py'
model = dict(backbone=dict(arch='medium'))
