_base_ = '../breeds.py'
num_superclasses, num_subclasses = 26, 104
train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(superclasses=dict(task='nonliving26', hierarchy=_base_.hierarchy)))
