"""Pure tensor functions: whole clustering layers, B×H×W×C in and out. They know nothing of the OpenMMLab toolboxes."""
from . import reference
from .clustering import encode, pool, represent
from .dispatch import dispatch, most_similar

__all__ = ['dispatch', 'encode', 'most_similar', 'pool', 'reference', 'represent']
