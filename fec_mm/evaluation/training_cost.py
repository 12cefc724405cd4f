"""What the model of a config costs: parameters, multiply-adds, and the memory of a training step.

Shapes: images B×3×H×W.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor, nn

from fec_mm import compat
from fec_mm.toolboxes.building import build_model, check_backbone
from fec_mm.toolboxes.table import TOOLBOXES

from .flops import Count, MultiplyAdds, count_backbone
from .operators import operators_of
from .timing import peak_growth


def counted_model(cfg: Config) -> Any:
    """The config's model with initial weights of seed 0; raises as `build_model` and `check_backbone`."""
    model = build_model(cfg, seed=0)
    check_backbone(model, cfg)
    return model


def image_shape(cfg: Config, size: tuple[int, int] | None) -> tuple[int, int, int]:
    """Channels×H×W of the config's images, of the papers' size where none is given."""
    return cfg.model.backbone.get('in_channels', 3), *(size or TOOLBOXES[cfg.default_scope].image_size)


def _samples(scope: str, batch: int, size: tuple[int, int]) -> list[Any]:
    """What a toolbox says of its images beside their pixels; labels are zeros."""
    meta = dict(img_shape=size, ori_shape=size, pad_shape=size, batch_input_shape=size, scale_factor=(1.0, 1.0))
    if scope == 'mmdet':
        from mmdet.structures import DetDataSample

        return [DetDataSample(metainfo=meta) for _ in range(batch)]
    if scope == 'mmseg':
        from mmengine.structures import PixelData
        from mmseg.structures import SegDataSample

        label = PixelData(data=torch.zeros(1, *size, dtype=torch.long))
        return [SegDataSample(gt_sem_seg=label, metainfo=meta) for _ in range(batch)]
    from mmpretrain.structures import DataSample

    return [DataSample().set_gt_label(0) for _ in range(batch)]


@contextmanager
def _compiled_calls() -> Iterator[Counter[str]]:
    """Counts the calls of mmcv's compiled operators, of which PyTorch's dispatcher does not know."""
    import mmcv._ext as ext

    names = {run: f'mmcv.{name}' for name, run in vars(ext).items() if callable(run) and not name.startswith('_')}
    calls: Counter[str] = Counter()

    def watch(_frame: Any, event: str, called: Any) -> None:
        if event == 'c_call' and called in names:
            calls[names[called]] += 1

    former = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield calls
    finally:
        sys.setprofile(former)


class _Maps(nn.Module):
    """In the backbone's place: gives the same maps for any images."""

    def __init__(self, maps: tuple[Tensor, ...]) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return self.maps


@torch.no_grad()
def count_heads(model: Any, scope: str, shape: tuple[int, int, int], maps: Sequence[torch.Size]) -> Count:
    """What follows the backbone, up to the heads' raw outputs, for one image. It runs: proposals depend on numbers.

    Args:
        model: Of `counted_model`; its backbone comes back.
        shape: Of the image, channels×H×W.
        maps: The shapes of the backbone's.
    """
    backbone, model.backbone = model.backbone, _Maps(tuple(torch.randn(m) for m in maps))
    images = torch.empty(1, *shape)
    model.eval()
    try:
        with _compiled_calls() as calls, MultiplyAdds() as counter:
            model(images, _samples(scope, 1, shape[1:]), mode='tensor')
    finally:
        model.backbone = backbone
    counter.count.missed.update(calls)
    return counter.count


def gradient_bytes(model: nn.Module) -> int:
    """What processes exchange after a step: float32 gradients, under mixed precision too."""
    return sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)


def step_memory(cfg: Config, shape: tuple[int, int, int]) -> float:
    """MiB per image that a training step needs beyond weights and gradients, measured in a process of its own.

    CPU memory in float32. Of classifiers and segmenters the loss and its backward pass, of detectors backbone and neck
    alone.
    """
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
        return pool.submit(_step_memory, cfg, shape).result()


def _step_memory(cfg: Config, shape: tuple[int, int, int]) -> float:
    compat.apply()
    model, batch = counted_model(cfg), TOOLBOXES[cfg.default_scope].batch
    return (peak_growth(_step(model, cfg.default_scope, shape, batch), 'cpu') - gradient_bytes(model) / 2**20) / batch


def _step(model: Any, scope: str, shape: tuple[int, int, int], batch: int) -> Callable[[], None]:
    """Forward and backward of a training step; of detectors, of backbone and neck alone."""
    model.train()
    images, samples = torch.randn(batch, *shape), _samples(scope, batch, shape[1:])

    def run() -> None:
        if scope == 'mmdet':
            maps = model.extract_feat(images)
            torch.autograd.backward(list(maps), [torch.ones_like(m) for m in maps])
        else:
            loss, _ = model.parse_losses(model.loss(images, samples))
            loss.backward()

    return run


@dataclass(frozen=True)
class Cost:
    """What a training step is made of.

    Args:
        multiply_adds: Of the forward pass of an image, in fvcore's convention.
        memory: MiB that an image needs beside weights and gradients; None: not measured.
        gradients: Bytes.
        parameters: Their number.
        launches: Operators of a training step that compute or copy; None: not counted.
        moved: Bytes that they read and write for an image; None: not counted.
    """

    multiply_adds: int
    memory: float | None
    gradients: int
    parameters: int
    launches: int | None = None
    moved: float | None = None


def cost(cfg: Config, shape: tuple[int, int, int], memory: bool, operators: bool = False) -> Cost:
    """The cost of a config with images of channels×H×W.

    Args:
        memory: Whether to measure it, which takes longest.
        operators: Whether to count what a step launches and moves, which takes two steps.
    """
    model = counted_model(cfg).eval()
    backbone, maps = count_backbone(model.backbone, shape)
    heads = count_heads(model, cfg.default_scope, shape, maps)
    batch = TOOLBOXES[cfg.default_scope].batch
    step = operators_of(_step(model, cfg.default_scope, shape, batch)) if operators else None
    return Cost(
        backbone.in_convention + heads.in_convention,
        step_memory(cfg, shape) if memory else None,
        gradient_bytes(model),
        sum(p.numel() for p in model.parameters()),
        None if step is None else step.launches,
        None if step is None else step.moved / batch,
    )
