"""Test-time augmentation."""

from __future__ import annotations

from copy import deepcopy
from importlib import import_module

from mmengine.config import Config, ConfigDict

from fec_mm.toolboxes.table import TOOLBOXES


def use_tta(cfg: Config) -> None:
    """Wrap the model in `tta_model` and replace the test pipeline by `tta_pipeline`.

    Where the config has none, predictions of the image and of its mirror image are merged, as the tools of mmpretrain
    and mmdet do. Of a detector with masks, those of the boxes that are kept are.

    Args:
        cfg: A full config of one of the three toolboxes, changed in place.
    """
    dataset = cfg.test_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    model: dict = cfg.get('tta_model') or TOOLBOXES[cfg.default_scope].tta_model
    dataset.pipeline = cfg.get('tta_pipeline') or _flips(dataset.pipeline)
    cfg.model = ConfigDict({**deepcopy(model), 'module': cfg.model})
    if cfg.default_scope == 'mmdet':
        import_module('fec_mm.models.mask_tta')  # replaces DetTTAModel, which refuses masks
    if cfg.default_scope == 'mmpretrain':
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), dict(type='fec_mm.ShownViewHook')]


def _flips(pipeline: list[dict]) -> list[dict]:
    """A test pipeline with a flip before its annotations are loaded, or else before its last step.

    Annotations stay unflipped that way: results are flipped back before they are measured.
    """
    pipeline = deepcopy(pipeline)
    at = next((i for i, step in enumerate(pipeline) if 'LoadAnnotations' in step['type']), len(pipeline) - 1)
    for step in pipeline[at:]:
        if 'meta_keys' in step:
            step['meta_keys'] = tuple(dict.fromkeys([*step['meta_keys'], 'flip', 'flip_direction']))
    flips = [dict(type='RandomFlip', prob=1.0), dict(type='RandomFlip', prob=0.0)]
    return [*pipeline[:at], dict(type='TestTimeAug', transforms=[flips, *([step] for step in pipeline[at:])])]
