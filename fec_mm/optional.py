"""Packages that only some parts need."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from fec_mm.errors import UserError

DISTRIBUTIONS = {'skimage': 'scikit-image', 'sklearn': 'scikit-learn'}


def optional(module: str, needed_by: str) -> ModuleType:
    """Import a module of an extra.

    Args:
        module: Its full name.
        needed_by: What needs it, for the error: 'figures'.

    Raises:
        UserError: Its package is not installed.
    """
    package = module.split('.')[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        name = DISTRIBUTIONS.get(package, package)
        raise UserError(f'{needed_by} need {name}, which is not installed: pip install {name}') from error
