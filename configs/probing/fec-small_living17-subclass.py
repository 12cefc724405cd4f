_base_ = 'fec-small_living17.py'
model = dict(head=dict(num_classes=_base_.num_subclasses))
train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(labels='subclass'))
