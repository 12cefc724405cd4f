# The quick start's classifier with a small CLUENet.
_base_ = ['../_base_/models/cluenet_mini.py', 'classification.py']
model = dict(backbone=dict(_delete_=True, type='fec_mm.CLUENet', arch=_base_.cluenet_mini))
