_base_ = 'fec-small_living17.py'
train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(shuffle=0))
