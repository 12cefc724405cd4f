# By FEC's recipe; the authors published none for ImageNet.
_base_ = '../fec/fec-small_4xb256-310e_in1k.py'
model = dict(backbone=dict(_delete_=True, type='fec_mm.CLUENet', arch='tiny', drop_path_rate=0.1))
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={key: dict(decay_mult=0.) for key in ('log_temperature', 'gate.bias')}))
