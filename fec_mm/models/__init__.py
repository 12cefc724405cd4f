"""What configs name: backbones, necks, and layers for other backbones. Their parts are in `layers`."""

from .backbones import FEC, ContextCluster
from .necks import ClusterFPN, ClusterGAP
from .plugins import EncodePlugin, PoolLayer

__all__ = ['FEC', 'ClusterFPN', 'ClusterGAP', 'ContextCluster', 'EncodePlugin', 'PoolLayer']
