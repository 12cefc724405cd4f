"""Hooks of the runner."""
from .check_data_hook import CheckDataHook
from .strict_load_hook import StrictLoadHook

__all__ = ['CheckDataHook', 'StrictLoadHook']
