_base_ = '../breeds.py'
num_superclasses, num_subclasses = 30, 240
train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(superclasses=dict(task='entity30', hierarchy=_base_.hierarchy)))
