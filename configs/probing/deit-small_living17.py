_base_ = ['_base_/models/deit-small.py', '_base_/tasks/living17.py']
model = dict(head=dict(num_classes=_base_.num_superclasses))
