"""Pure tensor functions: whole clustering layers, B×H×W×C in and out. They know nothing of the OpenMMLab toolboxes."""

from . import counting, reference
from .clustering import encode, pool, represent
from .dispatch import cell_means, dispatch, most_similar
from .near import near_scores
from .pool_near import pool_near
from .soft import reconstruct

__all__ = [
    'cell_means',
    'counting',
    'dispatch',
    'encode',
    'most_similar',
    'near_scores',
    'pool',
    'pool_near',
    'reconstruct',
    'reference',
    'represent',
]
