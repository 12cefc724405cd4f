# What every task runs with.
# For programs that read a checkpoint before they build the model, such as the toolboxes' inferencers: it lets them.
custom_imports = dict(imports=['fec_mm.registry'], allow_failed_imports=False)
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # Two, in case the disk damages the newest.
    checkpoint=dict(type='fec_mm.SafeCheckpointHook', interval=1, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    exact_resume=dict(type='fec_mm.ExactResumeHook'),
    divergence=dict(type='fec_mm.DivergenceHook'),
    process_watch=dict(type='fec_mm.ProcessWatchHook'))
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'))
vis_backends = [dict(type='LocalVisBackend')]
log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed=0)
