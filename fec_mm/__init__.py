"""Clustering backbones (FEC, Context Cluster) for mmpretrain, mmdet and mmseg."""
__version__ = '0.1.0'
