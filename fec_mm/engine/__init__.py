"""Hooks and schedulers of the runner."""
from .check_data_hook import CheckDataHook
from .cluster_probe_hook import ClusterProbeHook
from .epoch_length_hook import EpochLengthHook
from .strict_load_hook import StrictLoadHook
from .warmup_cosine_lr import WarmupCosineLR

__all__ = ['CheckDataHook', 'ClusterProbeHook', 'EpochLengthHook', 'StrictLoadHook', 'WarmupCosineLR']
