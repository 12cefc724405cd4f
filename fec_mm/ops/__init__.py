"""Pure tensor functions: whole clustering layers, B×H×W×C in and out. They know nothing of the OpenMMLab toolboxes."""
from . import reference
from .clustering import encode, pool

__all__ = ['encode', 'pool', 'reference']
