"""Hooks and schedulers of the runner."""
from .check_data_hook import CheckDataHook
from .strict_load_hook import StrictLoadHook
from .warmup_cosine_lr import WarmupCosineLR

__all__ = ['CheckDataHook', 'StrictLoadHook', 'WarmupCosineLR']
