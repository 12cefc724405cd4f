"""Packages that only pictures need."""
from __future__ import annotations

from types import ModuleType

from fec_mm import optional as packages


def optional(module: str) -> ModuleType:
    """Import a module of an extra.

    Raises:
        UserError: its package is not installed.
    """
    return packages.optional(module, 'pictures of clusters')
