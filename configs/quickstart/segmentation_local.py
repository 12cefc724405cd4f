# The segmenter of segmentation.py with local clusters, and a loss that asks them to fit the label maps: to be looked at
# (docs/interpretability.md).
_base_ = './segmentation.py'
model = dict(backbone=dict(pool=dict(candidates='near')))
custom_hooks = [
    *_base_.custom_hooks,
    dict(
        type='fec_mm.ClusterLossHook',
        loss=dict(
            type='fec_mm.ClusterConsistencyLoss', target='labels', num_classes=_base_.model.decode_head.num_classes))
]
