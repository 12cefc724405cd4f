"""Hooks and schedulers of the runner."""

from .hooks import (
    ChannelsLastHook,
    CheckDataHook,
    ClusterLossHook,
    ClusterMapHook,
    ClusterProbeHook,
    ClusterVisualizationHook,
    DivergenceHook,
    EpochLengthHook,
    ExactResumeHook,
    LoadableHook,
    ProcessWatchHook,
    ResumeSettingsHook,
    SafeCheckpointHook,
    ScheduleHook,
    ShownViewHook,
    StrictLoadHook,
)
from .warmup_cosine_lr import WarmupCosineLR

__all__ = [
    'ChannelsLastHook',
    'CheckDataHook',
    'ClusterLossHook',
    'ClusterMapHook',
    'ClusterProbeHook',
    'ClusterVisualizationHook',
    'DivergenceHook',
    'EpochLengthHook',
    'ExactResumeHook',
    'LoadableHook',
    'ProcessWatchHook',
    'ResumeSettingsHook',
    'SafeCheckpointHook',
    'ScheduleHook',
    'ShownViewHook',
    'StrictLoadHook',
    'WarmupCosineLR',
]
