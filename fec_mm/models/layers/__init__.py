"""The parts of the models. Maps are B×H×W×C where nothing else is said."""

from .block import ClusterBlock
from .cluster_dispatch import ClusterDispatch
from .cluster_encode import ClusterEncode
from .cluster_pool import ClusterMean, ClusterPool, Representatives
from .conv import StridedConv
from .norm import GroupNorm
from .stem import NormedStem, OverlapStem, PointStem, Stem
from .tap import AssignmentTap

__all__ = [
    'AssignmentTap',
    'ClusterBlock',
    'ClusterDispatch',
    'ClusterEncode',
    'ClusterMean',
    'ClusterPool',
    'GroupNorm',
    'NormedStem',
    'OverlapStem',
    'PointStem',
    'Representatives',
    'Stem',
    'StridedConv',
]
