"""The parts of the models. Maps are B×H×W×C where nothing else is said."""

from .block import ClusterBlock, ResidualBlock
from .cluster_attention import ClusterAttention, SharingBlock
from .cluster_dispatch import ClusterDispatch
from .cluster_encode import ClusterEncode
from .cluster_ensemble import ClusterEnsemble
from .cluster_pool import ClusterMean, ClusterPool, Representatives
from .conv import NormedConv, StridedConv
from .depthwise_mlp import BranchedMLP, ConvMLP
from .learnt_pool import LearntPool
from .norm import GroupNorm
from .stem import NormedStem, OverlapStem, PointStem, Stem
from .tap import AssignmentTap

__all__ = [
    'AssignmentTap',
    'BranchedMLP',
    'ClusterAttention',
    'ClusterBlock',
    'ClusterDispatch',
    'ClusterEncode',
    'ClusterEnsemble',
    'ClusterMean',
    'ClusterPool',
    'ConvMLP',
    'GroupNorm',
    'LearntPool',
    'NormedConv',
    'NormedStem',
    'OverlapStem',
    'PointStem',
    'Representatives',
    'ResidualBlock',
    'SharingBlock',
    'Stem',
    'StridedConv',
]
