"""What configs name: backbones, necks, losses, and layers for other backbones. Their parts are in `layers`."""

from .backbones import FEC, CLUENet, ContextCluster, EnFormer
from .losses import ClusterConsistencyLoss
from .necks import ClusterFPN, ClusterGAP
from .plugins import ClusterEncode, ClusterPool

FAMILIES = (FEC, ContextCluster, CLUENet, EnFormer)  # of backbones
EncodePlugin, PoolLayer = ClusterEncode, ClusterPool  # as they were called in 0.1.0

__all__ = [
    'FAMILIES',
    'FEC',
    'CLUENet',
    'ClusterConsistencyLoss',
    'ClusterEncode',
    'ClusterFPN',
    'ClusterGAP',
    'ClusterPool',
    'ContextCluster',
    'EnFormer',
    'EncodePlugin',
    'PoolLayer',
]
