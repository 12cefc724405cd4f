"""The parts of the models. Maps are B×H×W×C where nothing else is said."""

from .block import ClusterBlock
from .cluster_dispatch import ClusterDispatch
from .cluster_encode import EncodingLayer
from .cluster_pool import ClusterMean, PoolingLayer, Representatives
from .conv import PointStem, StridedConv
from .norm import GroupNorm
from .pool_settings import PoolSettings
from .tap import AssignmentTap, ScoreTap

__all__ = [
    'AssignmentTap',
    'ClusterBlock',
    'ClusterDispatch',
    'ClusterMean',
    'EncodingLayer',
    'GroupNorm',
    'PointStem',
    'PoolSettings',
    'PoolingLayer',
    'Representatives',
    'ScoreTap',
    'StridedConv',
]
