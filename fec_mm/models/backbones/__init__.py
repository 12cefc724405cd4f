"""Backbones that see an image as clusters."""

from .cluenet import CLUENet
from .context_cluster import ContextCluster
from .enformer import EnFormer
from .fec import FEC

__all__ = ['FEC', 'CLUENet', 'ContextCluster', 'EnFormer']
