"""Training with fewer launches: blocks compiled, and a backbone's passes replayed as CUDA graphs.

A GPU computes one of FEC's small operators sooner than a host can launch the next. A compiler joins them; a CUDA graph
launches a whole pass at once. Both change a model in place, for training alone: evaluation, weights, names and
checkpoints stay what they are.

Shapes: images B×3×H×W.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from .backbones.staged_backbone import StagedBackbone
from .layers import AssignmentTap, ResidualBlock, ScoreTap

SIZES = 4  # that many graphs are kept, each with the memory of a pass


def backbones_of(model: nn.Module) -> list[StagedBackbone]:
    """The clustering backbones in a model."""
    return [module for module in model.modules() if isinstance(module, StagedBackbone)]


def compile_blocks(model: nn.Module, **options: Any) -> int:
    """Compile the blocks and what halves the map between stages, each for every size that it meets in training.

    Alike blocks of alike maps share what is compiled for one of them. Where assignments are recorded or learnt from, a
    layer runs as it is, and beyond `torch._dynamo.config.recompile_limit` sizes, too. Where the compiler fails, all of
    that class do, with a warning. Repeated calls change nothing.

    Args:
        options: Those of `torch.compile`.

    Returns:
        How many modules.
    """
    count = 0
    for backbone in backbones_of(model):
        for module, name in _parts(backbone):
            if not isinstance(vars(module).get(name), partial):
                plain = getattr(type(module), name)
                compiled = _compiled(plain, tuple(sorted(options.items())))
                # Not a bound method: a copy of the module must call itself.
                setattr(module, name, partial(_in_training, compiled, plain, _taps(module), module))
            count += 1
    return count


def _parts(backbone: StagedBackbone) -> Iterator[tuple[nn.Module, str]]:
    """Modules, and the methods that do their work."""
    for stage in backbone.stages:
        for block in stage.children():
            if isinstance(block, ResidualBlock):
                yield block, 'through'
    for module in backbone.downsamples:
        yield module, 'forward'


_COMPILED: dict[Any, Callable[..., Any]] = {}


def _compiled(function: Callable[..., Any], options: tuple[tuple[str, Any], ...]) -> Callable[..., Any]:
    """One compiled function for all modules of a class, so that they share its graphs."""
    if (function, options) not in _COMPILED:
        _COMPILED[function, options] = torch.compile(function, dynamic=False, **dict(options))
    return _COMPILED[function, options]


_FAILED: set[Callable[..., Any]] = set()


def _in_training(
    compiled: Callable[..., Any], plain: Callable[..., Any], taps: list[nn.Module], module: nn.Module, *inputs: Any
) -> Any:
    if module.training and not _watched(taps) and compiled not in _FAILED:
        try:
            return compiled(module, *inputs)
        except Exception as error:
            if not isinstance(error, torch._dynamo.exc.TorchDynamoException):
                raise
            _FAILED.add(compiled)
            reason = ' '.join(str(error).strip().splitlines()[:2])
            warnings.warn(f'{type(module).__name__} is not compiled, and runs as it is: {reason}', stacklevel=2)
    return plain(module, *inputs)


def _taps(module: nn.Module) -> list[nn.Module]:
    return [each for each in module.modules() if isinstance(each, (AssignmentTap, ScoreTap))]


def _watched(taps: list[nn.Module]) -> bool:
    """Whether assignments are recorded or learnt from, by hooks that compiled code and graphs would not call."""
    return any(tap._forward_hooks for tap in taps)


def graph_passes(backbone: StagedBackbone) -> None:
    """Replay a backbone's forward and backward passes as CUDA graphs, in training on a GPU.

    The first pass of each size of images makes its graph, for `SIZES` sizes; others run as they are. So do passes that
    are watched, by `record_assignments` or a loss on assignments, whose hooks a graph would not call, and those
    `with_cp`. A graph's outputs and gradients are overwritten by the next pass of its size: gradients must not be
    accumulated over several.
    """
    if isinstance(vars(backbone).get('forward'), partial):
        return
    setattr(backbone, 'forward', partial(_replayed, {}, type(backbone).forward, _taps(backbone), backbone))  # noqa: B010


def _replayed(
    graphs: dict[Any, Callable[[Tensor], tuple[Tensor, ...]]],
    plain: Callable[..., tuple[Tensor, ...]],
    taps: list[nn.Module],
    backbone: StagedBackbone,
    images: Tensor,
) -> tuple[Tensor, ...]:
    trained = images.device.type == 'cuda' and backbone.training and torch.is_grad_enabled()
    if not trained or backbone.with_cp or _watched(taps):
        return plain(backbone, images)
    half = torch.get_autocast_dtype('cuda') if torch.is_autocast_enabled('cuda') else None
    key = (images.shape, images.dtype, images.is_contiguous(), half)
    if key not in graphs:
        if len(graphs) == SIZES:
            return plain(backbone, images)
        graphs[key] = _graph(plain, backbone, images)
    return graphs[key](images)


class _Pass(nn.Module):
    """A backbone's own pass, as PyTorch would have it: a module without hooks."""

    def __init__(self, plain: Callable[..., Any], backbone: nn.Module) -> None:
        super().__init__()
        self.plain, self.backbone = plain, backbone

    def forward(self, images: Tensor) -> Any:
        return self.plain(self.backbone, images)


def _graph(
    plain: Callable[..., Any], backbone: StagedBackbone, images: Tensor
) -> Callable[[Tensor], tuple[Tensor, ...]]:
    buffers = [(buffer, buffer.clone()) for buffer in backbone.buffers()]
    cached = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)  # weights that are cast once would be those of the capture forever
    try:
        sample = images.detach().clone()
        graphed: Any = torch.cuda.make_graphed_callables(_Pass(plain, backbone), (sample,), allow_unused_input=True)
    finally:
        torch.set_autocast_cache_enabled(cached)
    with torch.no_grad():
        for buffer, before in buffers:  # the passes of the capture are none of the training's
            buffer.copy_(before)
    return graphed
