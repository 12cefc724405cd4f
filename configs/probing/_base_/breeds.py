# The recipe that every model and task of BREEDS shares: images and augmentation of the papers' ImageNet recipe without Mixup and
# CutMix, its schedule, a total batch of 1024. A task says which superclasses.
_base_ = ['../../_base_/datasets/imagenet.py', '../../_base_/schedules/imagenet_310e.py', '../../_base_/runtimes/mmpretrain.py']
hierarchy = '{{$FEC_DATA:data}}/breeds'
data_preprocessor = dict(num_classes=None)
train_dataloader = dict(
    dataset=dict(_delete_=True, type='fec_mm.SuperclassDataset', dataset=_base_.train_dataloader.dataset))
val_dataloader = dict(
    dataset=dict(_delete_=True, type='fec_mm.SuperclassDataset', dataset=_base_.val_dataloader.dataset))
test_dataloader = val_dataloader
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            key: dict(decay_mult=0.)
            for key in ('.cls_token', '.pos_embed', '.relative_position_bias_table')
        }),
    clip_grad=dict(max_norm=5.))
