"""What configs name: backbones, necks, and layers for other backbones. Their parts are in `layers`."""

from .backbones import FEC, ContextCluster
from .necks import ClusterFPN, ClusterGAP
from .plugins import EncodePlugin, PoolLayer

FAMILIES = (FEC, ContextCluster)  # of backbones

__all__ = ['FAMILIES', 'FEC', 'ClusterFPN', 'ClusterGAP', 'ContextCluster', 'EncodePlugin', 'PoolLayer']
