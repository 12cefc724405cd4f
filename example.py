auto_scale_lr = dict(base_batch_size=8, enable=False)
data_preprocessor = dict(
    mean=[
        127.0,
        127.0,
        127.0,
    ],
    seg_pad_val=255,
    size=(
        64,
        64,
    ),
    std=[
        127.0,
        127.0,
        127.0,
    ],
    type='SegDataPreProcessor',
)
default_hooks = dict(
    checkpoint=dict(interval=1, max_keep_ckpts=2, rule='greater', save_best='auto', type='CheckpointHook'),
    logger=dict(interval=1, type='LoggerHook'),
    param_scheduler=dict(type='ParamSchedulerHook'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    timer=dict(type='IterTimerHook'),
)
default_scope = 'mmseg'
env_cfg = dict(
    cudnn_benchmark=False, dist_cfg=dict(backend='nccl'), mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0)
)
experiment_name = '7d113ba9defd45b0bcdfeb72a555c47d'
fec = dict(
    centers_per_side=(
        2,
        2,
        2,
        1,
    ),
    depths=(
        1,
        1,
        1,
        1,
    ),
    embed_dims=(
        8,
        12,
        16,
        20,
    ),
    head_dims=(
        4,
        4,
        4,
        4,
    ),
    mlp_ratios=(
        2,
        2,
        2,
        2,
    ),
    num_heads=(
        2,
        2,
        2,
        2,
    ),
    regions_per_side=(
        2,
        1,
        1,
        1,
    ),
)
log_level = 'INFO'
model = dict(
    backbone=dict(
        arch=dict(
            centers_per_side=(
                2,
                2,
                2,
                1,
            ),
            depths=(
                1,
                1,
                1,
                1,
            ),
            embed_dims=(
                8,
                12,
                16,
                20,
            ),
            head_dims=(
                4,
                4,
                4,
                4,
            ),
            mlp_ratios=(
                2,
                2,
                2,
                2,
            ),
            num_heads=(
                2,
                2,
                2,
                2,
            ),
            regions_per_side=(
                2,
                1,
                1,
                1,
            ),
        ),
        layer_scale_init_value=0.1,
        type='fec_mm.ContextCluster',
    ),
    data_preprocessor=dict(
        mean=[
            127.0,
            127.0,
            127.0,
        ],
        seg_pad_val=255,
        size=(
            64,
            64,
        ),
        std=[
            127.0,
            127.0,
            127.0,
        ],
        type='SegDataPreProcessor',
    ),
    decode_head=dict(
        channels=8,
        in_channels=20,
        in_index=0,
        loss_decode=dict(type='CrossEntropyLoss'),
        norm_cfg=dict(requires_grad=True, type='SyncBN'),
        num_classes=2,
        num_convs=1,
        type='FCNHead',
    ),
    test_cfg=dict(mode='whole'),
    train_cfg=dict(),
    type='EncoderDecoder',
)
norm = dict(requires_grad=True, type='SyncBN')
optim_wrapper = dict(optimizer=dict(lr=0.001, type='AdamW'), type='OptimWrapper')
param_scheduler = [
    dict(by_epoch=True, convert_to_iter_based=True, eta_max=0.002, total_steps=2, type='OneCycleLR'),
]
randomness = dict(seed=0)
test_cfg = dict()
test_dataloader = dict(
    batch_size=2,
    dataset=dict(
        data_prefix=dict(img_path='images', seg_map_path='maps'),
        data_root='/tmp/h22/tiny/data',
        img_suffix='.png',
        metainfo=dict(
            classes=(
                'ground',
                'square',
            ),
            palette=[
                [
                    0,
                    0,
                    0,
                ],
                [
                    255,
                    0,
                    0,
                ],
            ],
        ),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(
                scale=(
                    64,
                    64,
                ),
                type='Resize',
            ),
            dict(type='PackSegInputs'),
        ],
        test_mode=True,
        type='BaseSegDataset',
    ),
    num_workers=0,
    persistent_workers=False,
    sampler=dict(shuffle=False, type='DefaultSampler'),
)
test_evaluator = dict(
    iou_metrics=[
        'mIoU',
    ],
    type='IoUMetric',
)
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(
        scale=(
            64,
            64,
        ),
        type='Resize',
    ),
    dict(type='PackSegInputs'),
]
train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=1)
train_dataloader = dict(
    batch_size=2,
    dataset=dict(
        data_prefix=dict(img_path='images', seg_map_path='maps'),
        data_root='/tmp/h22/tiny/data',
        img_suffix='.png',
        metainfo=dict(
            classes=(
                'ground',
                'square',
            ),
            palette=[
                [
                    0,
                    0,
                    0,
                ],
                [
                    255,
                    0,
                    0,
                ],
            ],
        ),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(
                scale=(
                    64,
                    64,
                ),
                type='Resize',
            ),
            dict(type='PackSegInputs'),
        ],
        test_mode=False,
        type='BaseSegDataset',
    ),
    num_workers=0,
    persistent_workers=False,
    sampler=dict(shuffle=True, type='DefaultSampler'),
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(
        scale=(
            64,
            64,
        ),
        type='Resize',
    ),
    dict(type='PackSegInputs'),
]
val_cfg = dict()
val_dataloader = dict(
    batch_size=2,
    dataset=dict(
        data_prefix=dict(img_path='images', seg_map_path='maps'),
        data_root='/tmp/h22/tiny/data',
        img_suffix='.png',
        metainfo=dict(
            classes=(
                'ground',
                'square',
            ),
            palette=[
                [
                    0,
                    0,
                    0,
                ],
                [
                    255,
                    0,
                    0,
                ],
            ],
        ),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(
                scale=(
                    64,
                    64,
                ),
                type='Resize',
            ),
            dict(type='PackSegInputs'),
        ],
        test_mode=True,
        type='BaseSegDataset',
    ),
    num_workers=0,
    persistent_workers=False,
    sampler=dict(shuffle=False, type='DefaultSampler'),
)
val_evaluator = dict(
    iou_metrics=[
        'mIoU',
    ],
    type='IoUMetric',
)
visualizer = dict(
    type='SegLocalVisualizer',
    vis_backends=[
        dict(type='LocalVisBackend'),
    ],
)
work_dir = '/tmp/h22/tiny/work'
