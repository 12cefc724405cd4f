# The mean over positions is before the backbone's last norm: no neck. The drop path of base and large is not published.
_base_ = '../fec/fec-small_4xb256-310e_in1k.py'
model = dict(
    backbone=dict(
        _delete_=True, type='fec_mm.EnFormer', arch='small', gap_before_final_norm=True, drop_path_rate=0.1),
    neck=None)
