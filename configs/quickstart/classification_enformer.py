# The quick start's classifier with a small EnFormer.
_base_ = ['../_base_/models/enformer_mini.py', 'classification.py']
model = dict(
    backbone=dict(_delete_=True, type='fec_mm.EnFormer', arch=_base_.enformer_mini, layer_scale_init_value=1.0))
