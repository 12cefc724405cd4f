"""Configs of the three toolboxes: read, with their toolbox known and imported."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from mmengine.config import Config

from fec_mm import compat
from fec_mm.datasets.coco_checks import check_when_mmdet_loads
from fec_mm.datasets.image_suffixes import count_when_mmpretrain_loads
from fec_mm.errors import UserError

from .pure_python import with_names
from .table import TOOLBOXES


def read_config(path: str) -> Config:
    """Read a config file; of a pure Python config, types become names.

    Raises:
        UserError: No such file, or not a config.
    """
    compat.apply()  # a pure Python config imports its toolbox
    if not Path(path).is_file():
        raise UserError(f'config {path} does not exist: give one such as configs/quickstart/classification.py')
    try:
        return with_names(Config.fromfile(path), tuple(TOOLBOXES))
    except Exception as error:  # a config is a program: anything can happen in it
        raise UserError(f'config {path} cannot be read: {type(error).__name__}: {error}') from error


def check_scope(cfg: Config) -> str:
    """The toolbox of a config.

    Raises:
        UserError: It names none.
    """
    scope = cfg.get('default_scope')
    if scope not in TOOLBOXES:
        raise UserError(f'default_scope in {cfg.filename} is {scope!r}: set it to one of {", ".join(TOOLBOXES)}')
    return str(scope)


def import_toolbox(scope: str) -> None:
    """Import a toolbox and this package's registry.

    Raises:
        UserError: It is not installed, or refuses the installed mmcv or mmengine, which all three assert.
    """
    compat.apply()
    compat.allow_large_images()
    try:
        import_module(scope)
    except ModuleNotFoundError as error:
        if error.name != scope:
            raise
        raise UserError(f'{scope} is not installed, which default_scope asks for: see requirements.txt') from error
    except AssertionError as error:
        raise UserError(f'{scope} cannot be used: {error}') from error
    if scope == 'mmpretrain':
        count_when_mmpretrain_loads()
    if scope == 'mmdet':
        check_when_mmdet_loads()
    if scope == 'mmseg':
        compat.keep_heads_dynamic()
