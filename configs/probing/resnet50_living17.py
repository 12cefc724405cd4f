_base_ = ['_base_/models/resnet50.py', '_base_/tasks/living17.py']
model = dict(head=dict(num_classes=_base_.num_superclasses))
