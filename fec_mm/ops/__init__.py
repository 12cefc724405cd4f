"""Pure tensor functions: whole clustering layers, B×H×W×C in and out. They know nothing of the OpenMMLab toolboxes."""

from . import attention, counting, reference, reference_attention, reference_ensemble
from .clustering import encode, pool, represent
from .dispatch import cell_means, dispatch, most_similar
from .ensemble import ensemble
from .near import near_scores
from .pool_near import pool_near
from .soft import reconstruct

__all__ = [
    'attention',
    'cell_means',
    'counting',
    'dispatch',
    'encode',
    'ensemble',
    'most_similar',
    'near_scores',
    'pool',
    'pool_near',
    'reconstruct',
    'reference',
    'reference_attention',
    'reference_ensemble',
    'represent',
]
