"""Models of the three toolboxes, built from their configs."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import set_random_seed

from fec_mm.compat import has_accelerator
from fec_mm.errors import UserError

from .configs import check_scope, import_toolbox


def build_model(cfg: Config, seed: int | None = None) -> Any:
    """The model of a config, on the CPU. SyncBN is BN where there is no accelerator.

    Args:
        cfg: Of one of the toolboxes.
        seed: Of the numbers its constructors draw. Default: as they come.

    Raises:
        UserError: The config is of none of the toolboxes, or the toolbox is not installed.
    """
    import_toolbox(check_scope(cfg))
    settings = deepcopy(cfg.model)  # detectors write into theirs
    if cfg.get('data_preprocessor'):
        settings.setdefault('data_preprocessor', cfg.data_preprocessor)
    if seed is not None:
        set_random_seed(seed)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(settings)
    return model if has_accelerator() else revert_sync_batchnorm(model)


def check_backbone(model: Any, cfg: Config) -> None:
    """Make sure that a model has a backbone.

    Raises:
        UserError: It has none.
    """
    if not hasattr(model, 'backbone'):
        raise UserError(f'{cfg.filename}: {type(model).__name__} has no backbone to look into')
