"""Models by name, and images in, predictions out. Importing it imports neither torch nor a toolbox."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fec_mm.cli import run_cli
    from fec_mm.errors import UserError
    from fec_mm.models.fusing import fuse

    from .inferencer import FECInferencer
    from .models import get_model, list_models

LAZY = {
    'FECInferencer': 'fec_mm.apis.inferencer',
    'UserError': 'fec_mm.errors',
    'fuse': 'fec_mm.models.fusing',
    'get_model': 'fec_mm.apis.models',
    'list_models': 'fec_mm.apis.models',
    'run_cli': 'fec_mm.cli',  # where it was before version 0.2
}

__all__ = ['FECInferencer', 'UserError', 'fuse', 'get_model', 'list_models', 'run_cli']


def __getattr__(name: str) -> Any:
    """What needs torch, when it is first asked for."""
    if name not in LAZY:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(LAZY[name]), name)
