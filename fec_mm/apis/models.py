"""The models of this project's configs, by name."""

from __future__ import annotations

import difflib
import fnmatch
import logging
from copy import deepcopy
from os import PathLike
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.fileio import load
from mmengine.logging import MMLogger, print_log
from mmengine.registry import DATASETS
from mmengine.runner import set_random_seed
from mmengine.runner.checkpoint import _load_checkpoint

import fec_mm
from fec_mm.checkpoints.fitting import load_strictly
from fec_mm.checkpoints.reading import check_checkpoint, check_pretrained_parts
from fec_mm.datasets.class_names import difference
from fec_mm.errors import UserError
from fec_mm.toolboxes.building import build_model, check_backbone
from fec_mm.toolboxes.configs import read_config
from fec_mm.toolboxes.pure_python import with_names
from fec_mm.toolboxes.table import TOOLBOXES


def project_folder() -> Path:
    """Where `configs`, `tools` and `model-index.yml` are: in the checkout, or in an installed wheel in `fec_mm/.mim`.

    Raises:
        UserError: In neither.
    """
    package = Path(fec_mm.__file__).parent
    for folder in (package / '.mim', package.parent):
        if (folder / 'model-index.yml').is_file():
            return folder
    raise UserError(
        f'{package} was installed without its configs: install it from a wheel or a clone of the repository'
    )


def _configs() -> dict[str, str]:
    """The config of each model, relative to the project folder, by name."""
    folder = project_folder()
    metafiles = [load(folder / path) for path in load(folder / 'model-index.yml')['Import']]
    return {model['Name']: model['Config'] for metafile in metafiles for model in metafile['Models']}


def list_models(task: str | None = None, pattern: str | None = None) -> list[str]:
    """The names that `get_model` knows.

    Args:
        task: Classification, detection or segmentation. Default: all.
        pattern: With wildcards, such as `'*fec-small*'`. Default: all.
    """
    names = sorted(name for name, path in _configs().items() if task in (None, path.split('/')[1]))
    return names if pattern is None else fnmatch.filter(names, pattern)


def get_config(model: str | PathLike[str] | Config) -> Config:
    """The config of a model.

    Args:
        model: A name of `list_models`, a config file, or a config, which is copied.

    Raises:
        UserError: No such name or file; it names the nearest.
    """
    if isinstance(model, Config):
        return with_names(deepcopy(model), tuple(TOOLBOXES))
    if Path(model).suffix == '.py':
        return read_config(str(model))
    configs = _configs()
    if model not in configs:
        close = difflib.get_close_matches(str(model), configs, n=1, cutoff=0.0)
        raise UserError(f"no model is called '{model}': did you mean '{close[0]}'? fec_mm.apis.list_models() names all")
    return read_config(str(project_folder() / configs[str(model)]))


def get_model(
    model: str | PathLike[str] | Config, pretrained: str | PathLike[str] | None = None, device: Any = None
) -> Any:
    """A model of one of the three toolboxes, for evaluation.

    Args:
        model: A name of `list_models`, a config file, or a config.
        pretrained: Checkpoint, read weights-only and loaded strictly. Default: none, and `model.init_weights()`
            initialises it as at the start of its training.
        device: Default: an accelerator if there is one.

    Returns:
        A `mmengine.model.BaseModel` in evaluation mode, which the toolboxes' inference functions take: with its config
        and, as far as checkpoint or config have them, the names and colours of the classes.

    Raises:
        UserError: An unknown name; a checkpoint that is damaged or of another model.
    """
    cfg = get_config(model)
    built = build_model(cfg)
    meta = _dataset_meta(cfg)
    if pretrained is not None:
        known = _load(built, str(pretrained))
        _compare(meta, known, cfg)
        meta.update(known)
    built.cfg = built._config = cfg  # as mmdet and mmseg, and as mmpretrain call it
    built.dataset_meta = built._dataset_meta = meta
    return built.to(device or get_device()).eval()


def seeded_model(cfg: Config, checkpoint: str | None) -> Any:
    """The model of a checkpoint or, without one, as the config's seed (or 0) initialises it; raises as `get_model`.

    Raises:
        UserError: Also of a model without a backbone.
    """
    set_random_seed((cfg.get('randomness') or {}).get('seed') or 0)
    if checkpoint is None:
        check_pretrained_parts(cfg.model)
    model = get_model(cfg, checkpoint)
    check_backbone(model, cfg)
    if checkpoint is None:
        logger = MMLogger.get_current_instance()
        level = logger.level
        logger.setLevel('WARNING')  # it would say of every parameter how it was initialised
        model.init_weights()
        logger.setLevel(level)
    return model


def _load(model: Any, path: str) -> dict[str, Any]:
    """Load a checkpoint strictly; returns what it says of the classes."""
    check_checkpoint(path)
    checkpoint = _load_checkpoint(path, map_location='cpu')
    load_strictly(model, checkpoint, path)
    return _classes(checkpoint.get('meta', {}).get('dataset_meta') or {})


def _dataset_meta(cfg: Config) -> dict[str, Any]:
    """What the test data set's type and its config say of the classes, without looking at the data."""
    dataset = cfg.get('test_dataloader', {}).get('dataset', {})
    with DATASETS.switch_scope_and_registry(cfg.default_scope) as datasets:
        kind = datasets.get(dataset['type']) if 'type' in dataset else None
    return _classes({**getattr(kind, 'METAINFO', {}), **(dataset.get('metainfo') or {})})


def _compare(meta: dict[str, Any], known: dict[str, Any], cfg: Config) -> None:
    """Warn of classes that a config names otherwise than the checkpoint, whose names are shown."""
    line = difference(
        meta.get('classes', ()), known.get('classes', ()), f'{cfg.filename or "the config"}', 'the checkpoint'
    )
    if line is not None:
        print_log(f'{line.text}: the names of the checkpoint are taken', 'current', logging.WARNING)


def _classes(meta: dict[str, Any]) -> dict[str, Any]:
    """All that the visualizers take."""
    return {key: meta[key] for key in ('classes', 'palette') if meta.get(key) is not None}
