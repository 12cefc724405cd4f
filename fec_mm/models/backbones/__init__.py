"""Backbones that see an image as clusters."""

from .context_cluster import ContextCluster
from .fec import FEC

__all__ = ['FEC', 'ContextCluster']
