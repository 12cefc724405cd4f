"""What configs name: backbones, necks, and layers for other backbones. Their parts are in `layers`."""

from .backbones import FEC, CLUENet, ContextCluster, EnFormer
from .necks import ClusterFPN, ClusterGAP
from .plugins import EncodePlugin, PoolLayer

__all__ = ['FEC', 'CLUENet', 'ClusterFPN', 'ClusterGAP', 'ContextCluster', 'EnFormer', 'EncodePlugin', 'PoolLayer']
