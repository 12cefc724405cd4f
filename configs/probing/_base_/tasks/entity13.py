_base_ = '../breeds.py'
num_superclasses, num_subclasses = 13, 260
train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(superclasses=dict(task='entity13', hierarchy=_base_.hierarchy)))
