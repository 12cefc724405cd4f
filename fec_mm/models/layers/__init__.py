"""The parts of the models. Maps are B×H×W×C where nothing else is said."""

from .block import ClusterBlock, ResidualBlock
from .cluster_attention import ClusterAttention, SharingBlock
from .cluster_dispatch import ClusterDispatch
from .cluster_encode import EncodingLayer
from .cluster_ensemble import ClusterEnsemble, EnsembleBlock
from .cluster_pool import ClusterMean, PoolingLayer, Representatives
from .conv import NormedConv, StridedConv
from .depthwise import DepthwiseBranches
from .depthwise_mlp import BranchedMLP, ConvMLP
from .learnt_pool import LearntPool
from .norm import GroupNorm
from .pool_settings import PoolSettings
from .stem import NormedStem, OverlapStem, PointStem, Stem
from .tap import AssignmentTap, ScoreTap

__all__ = [
    'AssignmentTap',
    'BranchedMLP',
    'ClusterAttention',
    'ClusterBlock',
    'ClusterDispatch',
    'ClusterEnsemble',
    'ClusterMean',
    'ConvMLP',
    'DepthwiseBranches',
    'EncodingLayer',
    'EnsembleBlock',
    'GroupNorm',
    'LearntPool',
    'NormedConv',
    'NormedStem',
    'OverlapStem',
    'PointStem',
    'PoolSettings',
    'PoolingLayer',
    'Representatives',
    'ResidualBlock',
    'ScoreTap',
    'SharingBlock',
    'Stem',
    'StridedConv',
]
