_base_ = '../breeds.py'
num_superclasses, num_subclasses = 17, 68
train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(superclasses=dict(task='living17', hierarchy=_base_.hierarchy)))
