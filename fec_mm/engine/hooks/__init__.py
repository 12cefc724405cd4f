"""Hooks of the runner, one to a file."""

from .channels_last_hook import ChannelsLastHook
from .check_data_hook import CheckDataHook
from .cluster_loss_hook import ClusterLossHook
from .cluster_map_hook import ClusterMapHook
from .cluster_probe_hook import ClusterProbeHook
from .cluster_visualization_hook import ClusterVisualizationHook
from .compile_hook import CompileHook
from .curves_hook import CurvesHook
from .divergence_hook import DivergenceHook
from .epoch_length_hook import EpochLengthHook
from .exact_resume_hook import ExactResumeHook
from .loadable_hook import LoadableHook
from .process_watch_hook import ProcessWatchHook
from .resume_settings_hook import ResumeSettingsHook
from .safe_checkpoint_hook import SafeCheckpointHook
from .schedule_hook import ScheduleHook
from .shown_view_hook import ShownViewHook
from .strict_load_hook import StrictLoadHook

__all__ = [
    'ChannelsLastHook',
    'CheckDataHook',
    'ClusterLossHook',
    'ClusterMapHook',
    'ClusterProbeHook',
    'ClusterVisualizationHook',
    'CompileHook',
    'CurvesHook',
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
]
