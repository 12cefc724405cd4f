"""What the tools are made of, and models by name. Importing it imports neither torch nor a toolbox."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fec_mm.errors import UserError

from .cli import run_cli

if TYPE_CHECKING:
    from .inferencer import FECInferencer
    from .models import get_model, list_models

LAZY = {'FECInferencer': 'inferencer', 'get_model': 'models', 'list_models': 'models'}

__all__ = ['FECInferencer', 'UserError', 'get_model', 'list_models', 'run_cli']


def __getattr__(name: str) -> Any:
    """What needs torch, when it is first asked for."""
    if name not in LAZY:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'.{LAZY[name]}', __name__), name)
