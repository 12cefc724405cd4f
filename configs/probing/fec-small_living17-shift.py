# Trained on half of the subclasses of each superclass, validated and probed on the others.
_base_ = 'fec-small_living17.py'
train_dataloader = dict(dataset=dict(split='source'))
val_dataloader = test_dataloader = dict(dataset=dict(split='target'))
