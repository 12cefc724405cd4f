"""Necks that work with representatives, for any backbone."""

from .cluster_fpn import ClusterFPN
from .cluster_gap import ClusterGAP

__all__ = ['ClusterFPN', 'ClusterGAP']
