"""What configs name: backbones. Their parts are in `layers`."""
from .backbones import FEC, ContextCluster

__all__ = ['FEC', 'ContextCluster']
