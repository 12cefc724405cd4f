# Beyond the paper: Mask2Former, with the recipe of mmseg's ResNet-50 config. Its head is mmdet's.
_base_ = ['mmseg::mask2former/mask2former_r50_8xb2-160k_ade20k-512x512.py', '../../_base_/models/fec_small.py']
model = dict(backbone=_base_.fec_small_segmentation, decode_head=dict(in_channels=[32, 64, 196, 320]))
data_root = '{{$FEC_DATA:data}}/ade/ADEChallengeData2016'
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = dict(dataset=dict(data_root=data_root))
