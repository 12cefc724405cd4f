"""What configs name: backbones, necks, losses, and layers for other backbones. Their parts are in `layers`."""

from .backbones import FEC, ContextCluster
from .losses import ClusterConsistencyLoss
from .necks import ClusterFPN, ClusterGAP
from .plugins import ClusterEncode, ClusterPool

FAMILIES = (FEC, ContextCluster)  # of backbones
EncodePlugin, PoolLayer = ClusterEncode, ClusterPool  # as they were called in 0.1.0

__all__ = [
    'FAMILIES',
    'FEC',
    'ClusterConsistencyLoss',
    'ClusterEncode',
    'ClusterFPN',
    'ClusterGAP',
    'ClusterPool',
    'ContextCluster',
    'EncodePlugin',
    'PoolLayer',
]
