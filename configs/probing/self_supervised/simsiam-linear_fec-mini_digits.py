# A linear classifier of superclasses on what simsiam_fec-mini_digits.py has learnt, which stays as it is: so that
# tools/analysis_tools/probe_clusters.py takes it. Run that training first.
_base_ = ['../_base_/models/fec-mini.py', '../_base_/tasks/digits.py']
model = dict(
    backbone=dict(
        frozen_stages=4,
        init_cfg=dict(
            type='Pretrained', checkpoint='work_dirs/simsiam_fec-mini_digits/epoch_20.pth', prefix='backbone.')),
    head=dict(num_classes=_base_.num_superclasses))
max_epochs = 3
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
param_scheduler = dict(total_steps=max_epochs)
