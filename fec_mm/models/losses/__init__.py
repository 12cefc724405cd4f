"""Losses that configs name."""

from .cluster_consistency import ClusterConsistencyLoss

__all__ = ['ClusterConsistencyLoss']
