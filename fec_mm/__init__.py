"""Clustering backbones (FEC, Context Cluster, EnFormer, CLUENet) for mmpretrain, mmdet and mmseg.

Importing it imports no torch and no toolbox.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .apis import FECInferencer, get_model, list_models
    from .clusters import record_assignments
    from .models import FEC, CLUENet, ContextCluster, EnFormer

__version__ = '0.1.0'

LAZY = {
    'FEC': 'models',
    'CLUENet': 'models',
    'EnFormer': 'models',
    'ContextCluster': 'models',
    'FECInferencer': 'apis',
    'get_model': 'apis',
    'list_models': 'apis',
    'record_assignments': 'clusters',
}

__all__ = [
    'FEC',
    'CLUENet',
    'ContextCluster',
    'EnFormer',
    'FECInferencer',
    '__version__',
    'get_model',
    'list_models',
    'record_assignments',
]


def __getattr__(name: str) -> Any:
    """What needs torch, when it is first asked for."""
    if name not in LAZY:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'.{LAZY[name]}', __name__), name)
