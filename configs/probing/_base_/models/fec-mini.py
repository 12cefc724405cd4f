# A FEC of five blocks, for images of 32².
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='fec_mm.FEC',
        arch=dict(
            depths=(1, 1, 2, 1),
            embed_dims=(24, 48, 96, 128),
            num_heads=(2, 4, 4, 8),
            head_dims=(12, 12, 24, 16),
            mlp_ratios=(2, 2, 2, 2),
            centers_per_side=(4, 2, 2, 1),
            regions_per_side=(1, 1, 1, 1)),
        # At 1e-5 the clustering would hardly contribute within minutes of training.
        layer_scale_init_value=0.1),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', in_channels=128, loss=dict(type='CrossEntropyLoss'), topk=(1, )))
