"""What a model costs: time, memory, and the products that it cannot do without."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from fec_mm.errors import UserError
from fec_mm.models.layers import (
    BranchedMLP,
    ClusterAttention,
    ClusterEnsemble,
    ConvMLP,
    EncodingLayer,
    LearntPool,
    PoolingLayer,
    StridedConv,
)
from fec_mm.models.layers.block import MLP


def seconds(run: Callable[[], object], device: str) -> float:
    """How long one call takes. On a GPU that is between two events of its stream: to its end there, and not here."""
    if device == 'cpu':
        start = time.perf_counter()
        run()
        return time.perf_counter() - start
    with torch.cuda.device(device):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()
        return begin.elapsed_time(end) / 1000


def in_turn(runs: Sequence[Callable[[], object]], device: str, repeats: int, warm_up: int = 1) -> list[float]:
    """The median times of functions that take turns, after some turns that do not count."""
    turns = [[seconds(run, device) for run in runs] for _ in range(warm_up + repeats)]
    return [statistics.median(times) for times in zip(*turns[warm_up:])]


def necessary_products(model: nn.Module, images: Tensor) -> Callable[[], None]:
    """The model's convolutions and linear maps on the shapes that the fast path needs, as one function, forward only
    or, of a model in training mode, forward and backward.

    Of an encode layer: features of all positions, values and output of the representatives. Of a pooling layer: the
    features of the centers, which the argmax compares, the values of the representatives, and the skip convolution. Of
    EnFormer's mixer both projections of its positions or agents, of CLUENet's keys and values.
    """
    maps: list[tuple[nn.Module, Tensor]] = []

    def note(layer: nn.Module, rows: Tensor, backward: bool = True) -> None:
        maps.append((layer, torch.randn_like(rows).requires_grad_(model.training and backward)))

    def look(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not inputs:  # modules that only hold parameters
            return
        x = inputs[0]
        if isinstance(module, EncodingLayer):
            M = (module.settings['centers'] * module.settings['regions']) ** 2
            note(module.f, x)
            note(module.v, x.new_empty(len(x), M, x.shape[-1]))
            note(module.proj, x.new_empty(len(x), M, module.proj.in_features))
        elif isinstance(module, ClusterEnsemble):
            positions = module.settings['agents'] ** 2 or x.shape[1] * x.shape[2]
            note(module.proj_in, x.new_empty(len(x), positions, x.shape[-1]))
            note(module.proj, x.new_empty(len(x), positions, module.proj.in_features))
        elif isinstance(module, ClusterAttention):
            note(module.k, x)
            note(module.v, x)
            note(module.proj, x.new_empty(len(x), module.centers**2, module.proj.in_features))
        elif isinstance(module, LearntPool):
            for layer in (module.f, module.v1, module.v2):
                note(layer, x.new_empty(len(x), output.shape[1] * output.shape[2], x.shape[-1]))
        elif isinstance(module, (MLP, BranchedMLP, ConvMLP)):
            note(module.fc1, x)
            note(module.fc2, x.new_empty(*x.shape[:-1], module.fc2.in_features))
        elif isinstance(module, PoolingLayer):
            M = output.shape[1] * output.shape[2]
            note(module.f, x.new_empty(len(x), M, x.shape[-1]), backward=False)
            note(module.v, x.new_empty(len(x), M, x.shape[-1]))
        elif isinstance(module, nn.Conv2d):
            note(module, x, backward=isinstance(module, StridedConv))  # images need no gradient

    hooks = [module.register_forward_hook(look) for module in model.modules()]
    with torch.no_grad():
        model(images)
    for hook in hooks:
        hook.remove()

    training = model.training

    def run() -> None:
        with torch.set_grad_enabled(training):
            for layer, x in maps:
                y = layer(x)
                if y.requires_grad:
                    y.backward(torch.ones_like(y))
                    layer.zero_grad(set_to_none=True)
                    x.grad = None

    return run


def peak_growth(run: Callable[[], object], device: str) -> float:
    """MiB by which the memory in use grows at its highest while `run` runs.

    On a CPU that is what the system counts of the whole process: call it once, before anything else has run in it. On a
    GPU it is what PyTorch allocates for tensors, and `run` runs once before, as the libraries keep what they work in.

    Raises:
        UserError: A CPU of a system without /proc.
    """
    if device != 'cpu':
        run()
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    if not Path('/proc/self/clear_refs').exists():
        raise UserError('peak memory on a CPU is read from /proc, which only Linux has: leave it out')
    Path('/proc/self/clear_refs').write_text('5')  # forget the highest so far
    before = _status('VmRSS')
    run()
    return (_status('VmHWM') - before) / 1024


def _status(field: str) -> int:
    """KiB."""
    return int(re.findall(rf'{field}:\s*(\d+)', Path('/proc/self/status').read_text())[0])
