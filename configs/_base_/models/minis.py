# Backbones of about a million parameters, for tools/benchmark_backbones.py: where the family allows it, five blocks in four stages,
# as wide as the quick start's FEC. `channels` are those of the last map.
_base_ = ['fec_mini.py', 'enformer_mini.py', 'cluenet_mini.py']
# At the published layer scales, 1e-5 and the like, the blocks would hardly contribute within minutes of training.
scale = dict(layer_scale_init_value=1.0)
minis = {
    'fec': dict(channels=192, backbone=dict(type='fec_mm.FEC', arch=_base_.fec_mini, **scale)),
    'fec-local': dict(
        channels=192,
        backbone=dict(type='fec_mm.FEC', arch=_base_.fec_mini, pool=dict(candidates='near'), **scale)),
    'context-cluster': dict(
        channels=192, backbone=dict(type='fec_mm.ContextCluster', arch=_base_.fec_mini, **scale)),
    'enformer': dict(channels=192, backbone=dict(type='fec_mm.EnFormer', arch=_base_.enformer_mini, **scale)),
    'cluenet': dict(channels=192, backbone=dict(type='fec_mm.CLUENet', arch=_base_.cluenet_mini)),
    'resnet': dict(
        channels=168, backbone=dict(type='ResNet', depth=18, base_channels=21, stem_channels=21)),
    'poolformer': dict(
        channels=216,
        backbone=dict(
            type='PoolFormer',
            arch=dict(layers=[1, 1, 2, 1], embed_dims=[36, 72, 144, 216], mlp_ratios=[4, 4, 4, 4], **scale))),
    'swin': dict(
        channels=224,
        backbone=dict(
            type='SwinTransformer',
            arch=dict(embed_dims=28, depths=[1, 1, 2, 1], num_heads=[2, 4, 8, 16]),
            window_size=4,
            pad_small_map=True,
            drop_path_rate=0.)),
}
