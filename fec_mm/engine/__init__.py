"""Hooks and schedulers of the runner."""

from .channels_last_hook import ChannelsLastHook
from .check_data_hook import CheckDataHook
from .cluster_loss_hook import ClusterLossHook
from .cluster_probe_hook import ClusterProbeHook
from .divergence_hook import DivergenceHook
from .epoch_length_hook import EpochLengthHook
from .exact_resume_hook import ExactResumeHook
from .process_watch_hook import ProcessWatchHook
from .safe_checkpoint_hook import SafeCheckpointHook
from .shown_view_hook import ShownViewHook
from .strict_load_hook import StrictLoadHook
from .warmup_cosine_lr import WarmupCosineLR

__all__ = [
    'ChannelsLastHook',
    'CheckDataHook',
    'ClusterLossHook',
    'ClusterProbeHook',
    'DivergenceHook',
    'EpochLengthHook',
    'ExactResumeHook',
    'ProcessWatchHook',
    'SafeCheckpointHook',
    'ShownViewHook',
    'StrictLoadHook',
    'WarmupCosineLR',
]
