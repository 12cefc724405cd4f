"""The papers' configs: every one builds, and says what the recipe says."""

from __future__ import annotations

import math
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.fileio import load
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from fec_mm.registry import PARAM_SCHEDULERS

CONFIGS = Path(__file__).parents[1] / 'configs'
TASKS = ('classification', 'detection', 'segmentation')
ALL = sorted(path for task in TASKS for path in (CONFIGS / task).rglob('*.py'))
SIZES = {
    'fec-small_4xb256-310e_in1k': 5_727_528,
    'fec-base_4xb256-310e_in1k': 15_086_848,
    'fec-large_4xb256-310e_in1k': 29_720_344,
    'mask-rcnn_fec-small_fpn_4xb4-1x_coco': 25_469_048,
    'mask-rcnn_fec-base_fpn_4xb4-1x_coco': 34_742_280,
    'mask-rcnn_fec-large_fpn_4xb4-1x_coco': 49_375_776,
    'fec-small_fpn_4xb4-80k_ade20k-512x512': 9_568_286,
    'fec-base_fpn_4xb4-80k_ade20k-512x512': 18_841_518,
    'fec-large_fpn_4xb4-80k_ade20k-512x512': 33_475_014,
}


def build(cfg: Config, device: str = 'meta') -> Any:
    registry = __import__(f'{cfg.default_scope}.registry', fromlist=['MODELS'])
    model = {**cfg.model, 'data_preprocessor': None}  # some processors make tensors on their own
    if cfg.default_scope == 'mmpretrain':
        model.pop('train_cfg', None)  # Mixup and CutMix, which are the processor's
    # Swin reads its drop rates from a tensor while it is built.
    device = 'cpu' if cfg.model.backbone.type == 'SwinTransformer' else device
    with DefaultScope.overwrite_default_scope(cfg.default_scope), torch.device(device):
        return registry.MODELS.build(model)


@pytest.mark.parametrize('path', ALL, ids=lambda path: path.stem)
def test_builds(path: Path) -> None:
    """Model, pipelines and optimizer; size and schedule are the metafile's, the size of FEC's own models also the
    paper's."""
    cfg = Config.fromfile(path)
    model = build(cfg)
    parameters = sum(p.numel() for p in model.parameters())
    stated = next(m['Metadata'] for m in load(path.with_name('metafile.yml'))['Models'] if m['Name'] == path.stem)
    assert stated == {
        'Parameters': parameters,
        'Batch Size': cfg.auto_scale_lr.base_batch_size,
        **(
            {'Epochs': cfg.train_cfg.max_epochs}
            if cfg.train_cfg.get('max_epochs')
            else {'Iterations': cfg.train_cfg.max_iters}
        ),
    }
    assert SIZES.get(path.stem, parameters) == parameters
    transforms = __import__(f'{cfg.default_scope}.registry', fromlist=['TRANSFORMS']).TRANSFORMS
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
            for transform in loader.dataset.pipeline:
                if transform.type != 'LoadPanopticAnnotations' or find_spec('panopticapi'):
                    transforms.build(transform)
        wrapper = build_optim_wrapper(model, {**cfg.optim_wrapper, 'type': 'OptimWrapper'})
    grouped = {id(p) for group in wrapper.param_groups for p in group['params']}
    assert all(id(p) in grouped for p in model.parameters() if p.requires_grad)


def test_names_say_batch_and_gpus() -> None:
    """`4xb256`: four GPUs of 256 images, whose product is what the learning rate is for."""
    for path in ALL:
        gpus, batch = next(part for part in path.stem.split('_') if 'xb' in part).split('-')[0].split('xb')
        cfg = Config.fromfile(path)
        assert cfg.train_dataloader.batch_size == int(batch), path.stem
        assert cfg.auto_scale_lr.base_batch_size == int(gpus) * int(batch), path.stem


def rates(cfg: Config, steps: int) -> list[float]:
    """The learning rate of each epoch, by running the scheduler."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([parameter], lr=cfg.optim_wrapper.optimizer.lr)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        scheduler = PARAM_SCHEDULERS.build(
            dict(cfg.param_scheduler), default_args=dict(optimizer=optimizer, epoch_length=10)
        )
        found = []
        for _ in range(steps):
            found.append(optimizer.param_groups[0]['lr'])
            scheduler.step()
    return found


def test_imagenet_learning_rate() -> None:
    cfg = Config.fromfile(CONFIGS / 'classification/fec/fec-small_4xb256-310e_in1k.py')

    def expected(e: int) -> float:
        if e < 5:
            return 1e-6 + e * (1e-3 - 1e-6) / 5
        return 1e-6 + (1e-3 - 1e-6) * (1 + math.cos(math.pi * e / 300)) / 2 if e < 300 else 1e-6

    assert rates(cfg, cfg.train_cfg.max_epochs) == pytest.approx([expected(e) for e in range(310)])


def test_imagenet_weight_decay_on_matrices_only() -> None:
    cfg = Config.fromfile(CONFIGS / 'classification/fec/fec-small_4xb256-310e_in1k.py')
    model = build(cfg)
    wrapper = build_optim_wrapper(model, {**cfg.optim_wrapper, 'type': 'OptimWrapper'})
    decay = {id(p): group['weight_decay'] for group in wrapper.param_groups for p in group['params']}
    for name, p in model.named_parameters():
        assert not p.requires_grad or decay[id(p)] == (0.05 if p.dim() >= 2 else 0.0), name


def test_dense_recipes_decay_everything() -> None:
    for path in (
        'detection/fec/mask-rcnn_fec-small_fpn_4xb4-1x_coco.py',
        'segmentation/fec/fec-small_fpn_4xb4-80k_ade20k-512x512.py',
    ):
        cfg = Config.fromfile(CONFIGS / path)
        wrapper = build_optim_wrapper(build(cfg), cfg.optim_wrapper)
        assert {group['weight_decay'] for group in wrapper.param_groups} == {1e-4}
        assert cfg.model.backbone.get('drop_path_rate', 0.0) == 0.0
