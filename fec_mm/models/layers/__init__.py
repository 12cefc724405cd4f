"""The parts of the backbones. All maps are B×H×W×C."""
from .block import ClusterBlock
from .cluster_encode import ClusterEncode
from .cluster_pool import ClusterPool
from .conv import PointStem, StridedConv
from .norm import GroupNorm
from .tap import AssignmentTap

__all__ = ['AssignmentTap', 'ClusterBlock', 'ClusterEncode', 'ClusterPool', 'GroupNorm', 'PointStem', 'StridedConv']
