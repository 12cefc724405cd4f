"""Hooks and schedulers of the runner."""

from . import hooks
from .hooks import *  # noqa: F403  # one list of them, in `hooks`
from .warmup_cosine_lr import WarmupCosineLR

__all__ = ['WarmupCosineLR']
__all__ += hooks.__all__
