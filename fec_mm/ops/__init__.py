"""Pure tensor functions: whole clustering layers, B×H×W×C in and out. They know nothing of the OpenMMLab toolboxes."""

from . import attention, reference, reference_attention, reference_ensemble
from .clustering import encode, pool, represent
from .dispatch import cell_means, dispatch, most_similar
from .ensemble import ensemble

__all__ = [
    'attention',
    'cell_means',
    'dispatch',
    'encode',
    'ensemble',
    'most_similar',
    'pool',
    'reference',
    'reference_attention',
    'reference_ensemble',
    'represent',
]
