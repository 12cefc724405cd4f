_base_ = '../../../_base_/models/fec_classifier.py'
model = dict(train_cfg=None)  # without Mixup and CutMix
