# A small Mask R-CNN with FEC finds and outlines handwritten digits in photographs: minutes on two cores.
_base_ = [
    '../_base_/models/mask-rcnn_fec_fpn.py', '../_base_/models/fec_mini.py',
    '../_base_/datasets/digit_scenes_detection.py', '../_base_/runtimes/mmdet.py'
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='fec_mm.FEC',
        arch=_base_.fec_mini,
        layer_scale_init_value=1.0,
        out_indices=(0, 1, 2, 3)),
    neck=dict(type='PAFPN', in_channels=[32, 64, 128, 192], out_channels=64, num_outs=4),
    rpn_head=dict(
        in_channels=64, feat_channels=64, anchor_generator=dict(scales=[6], ratios=[1.0], strides=[4, 8, 16, 32])),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64, roi_layer=dict(sampling_ratio=1)),
        bbox_head=dict(in_channels=64, fc_out_channels=256, num_classes=10),
        mask_roi_extractor=dict(out_channels=64, roi_layer=dict(sampling_ratio=1)),
        mask_head=dict(num_convs=2, in_channels=64, conv_out_channels=64, num_classes=10)),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=64)),
        rpn_proposal=dict(nms_pre=500, max_per_img=100),
        rcnn=dict(sampler=dict(num=48))),
    test_cfg=dict(rpn=dict(nms_pre=500, max_per_img=100)))
max_epochs = 10
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05, fused=True),
    paramwise_cfg=dict(norm_decay_mult=0., bias_decay_mult=0.),
    clip_grad=dict(max_norm=5.))
param_scheduler = dict(
    type='OneCycleLR', eta_max=1e-3, total_steps=max_epochs, by_epoch=True, convert_to_iter_based=True)
default_hooks = dict(channels_last=dict(type='fec_mm.ChannelsLastHook'))
auto_scale_lr = dict(enable=False, base_batch_size=4)
