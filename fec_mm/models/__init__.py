"""What configs name: backbones, necks, and layers for other backbones. Their parts are in `layers`."""

from .backbones import FEC, ContextCluster
from .necks import ClusterFPN, ClusterGAP
from .plugins import ClusterEncode, ClusterPool

EncodePlugin, PoolLayer = ClusterEncode, ClusterPool  # as they were called in 0.1.0

__all__ = [
    'FEC',
    'ClusterEncode',
    'ClusterFPN',
    'ClusterGAP',
    'ClusterPool',
    'ContextCluster',
    'EncodePlugin',
    'PoolLayer',
]
