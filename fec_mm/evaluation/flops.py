"""Multiply-adds, counted operator by operator while a model runs.

Two counts. *fvcore's convention*, in which the papers' figures are: the operators that `fvcore.nn.FlopCountAnalysis`
counts, by its formulas. A matrix product or convolution is its multiply-adds; group norm five and adaptive pooling one
per number they read; all else is nothing. *Every operator*: beside these, one for each element of the largest tensor of
an operator that computes anything. Operators that only move or make numbers compute nothing, and any operator that is
none of these is said to be missed.

fvcore's own counter cannot do it: it stops at a matrix times a vector (`input_shapes[1][-2]`), which our pooling layer
has, and a traced graph shows neither this package's argmax nor a detector's choice of proposals.

Shapes: B images, N positions, C channels, e heads, M centers, G = images × regions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from fec_mm.models.layers import PoolingLayer
from fec_mm.ops.regions import ceil_div

aten = torch.ops.aten

# Pixels up to which a backbone is run: up to there that is faster than tracing it with tensors that have no numbers.
RUN = 256 * 256


def _product(*args: Any, **_: Any) -> int:
    """Of the last two matrices: mm, addmm, bmm, baddbmm, mv, dot."""
    a, b = [a for a in args if isinstance(a, Tensor)][-2:]
    return a.numel() * (b.shape[-1] if b.dim() > 1 else 1)


def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    *_: Any,
    out: Tensor,
) -> int:
    return (x if transposed else out).numel() * weight[0].numel()


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    return query[..., 0].numel() * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _assign(x: Tensor, queries: Tensor, bias: Tensor, **_: Any) -> int:
    """The scores of all centers, G×N×C and G×e×M×C; whether they run as tiles does not change their number."""
    return x.shape[1] * queries.numel()


def _nearest(cells: Tensor, *_: Any, **__: Any) -> int:
    """The products of nine candidates with each position."""
    return 9 * cells.numel()


def _per_input(cost: int) -> Callable[..., int]:
    return lambda x, *_, **__: cost * x.numel()


def _per_output(cost: int) -> Callable[..., int]:
    return lambda *_, out, **__: cost * out.numel()


def _norm(x: Tensor, *args: Any, **_: Any) -> int:
    return x.numel() * (5 if any(isinstance(a, Tensor) for a in args) else 4)


FVCORE: dict[Any, Callable[..., int]] = {
    **dict.fromkeys([aten.mm, aten.addmm, aten.addmm_, aten.bmm, aten.baddbmm, aten.mv, aten.dot], _product),
    aten.convolution: _convolution,
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    **dict.fromkeys([aten.native_group_norm, aten.native_layer_norm], _norm),
    **dict.fromkeys([aten.native_batch_norm, aten._native_batch_norm_legit_no_training], _per_input(2)),
    aten._adaptive_avg_pool2d: _per_input(1),
    aten.upsample_nearest2d: _per_output(1),
    aten.upsample_bilinear2d: _per_output(4),
    aten.grid_sampler_2d: _per_output(4),
}
if hasattr(torch.library, 'custom_op'):  # elsewhere its products are seen one by one
    FVCORE[torch.ops.fec_mm.assign] = _assign
    FVCORE[torch.ops.fec_mm.nearest] = _nearest

# Beside the operators that PyTorch tags as pointwise. One for each element of the largest tensor. `addmv` is
# a sum here.
COMPUTING = {
    getattr(aten, name)
    for name in (
        'sum',
        'mean',
        'max',
        'min',
        'amax',
        'amin',
        'argmax',
        'any',
        'all',
        'cumsum',
        'prod',
        'linalg_vector_norm',
        'var',
        '_softmax',
        '_log_softmax',
        'avg_pool2d',
        'max_pool2d_with_indices',
        'topk',
        'sort',
        'floor_divide',
        'addmv',
    )
}
# Beside views. Some of them PyTorch tags as pointwise.
MOVING = {
    getattr(aten, name)
    for name in (
        '_unsafe_view',
        '_to_copy',
        'clone',
        'copy_',
        'copy',
        'lift_fresh',
        'cat',
        'stack',
        'repeat',
        'constant_pad_nd',
        'gather',
        'scatter',
        'scatter_',
        'index',
        'index_put',
        'index_put_',
        'index_select',
        'embedding',
        'fill_',
        'zero_',
        'new_zeros',
        'new_ones',
        'new_empty',
        'new_full',
        'zeros_like',
        'ones_like',
        'empty_like',
        'full_like',
        'roll',
        'flip',
        'nonzero',
        'masked_select',
        'linspace',
        '_reshape_alias',
        'im2col',
    )
}


@dataclass
class Count:
    """What ran, by operator: multiply-adds, or calls of operators that are not counted."""

    fvcore: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    moving: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)

    @property
    def in_convention(self) -> int:
        """Multiply-adds in fvcore's convention."""
        return sum(self.fvcore.values())

    @property
    def every(self) -> int:
        """Multiply-adds of every operator but the missed ones."""
        return self.in_convention + sum(self.others.values())


class MultiplyAdds(TorchDispatchMode):
    """Counts the operators that run inside it, in `self.count`."""

    def __init__(self) -> None:
        super().__init__()
        self.count = Count()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        packet, name, count = func._overloadpacket, str(func._overloadpacket), self.count
        inputs = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, Tensor)]
        outputs = [t for t in tree_flatten(out)[0] if isinstance(t, Tensor)]
        if packet in FVCORE:
            count.fvcore[name] += FVCORE[packet](*args, **{**kwargs, 'out': outputs[0]})
        elif packet in (aten._embedding_bag, aten._embedding_bag_forward_only):  # weighted sums of a table's rows
            count.others[name] += args[1].numel() * args[0].shape[1]
        elif packet in (aten.index_add, aten.index_add_):  # whatever the table's size
            count.others[name] += args[3].numel()
        elif packet in MOVING or not inputs or not outputs or is_view(func):
            count.moving[name] += not name.startswith('prim.')  # questions about a tensor
        elif packet in COMPUTING or torch.Tag.pointwise in func.tags:
            count.others[name] += max(t.numel() for t in inputs + outputs)
        else:
            count.missed[name] += 1
        return out


def is_view(func: Any) -> bool:
    """Whether an operator gives its input another shape, and computes nothing."""
    alias = [r.alias_info for r in func._schema.returns]
    return any(a is not None and not a.is_write for a in alias)


def count_backbone(
    backbone: nn.Module, shape: tuple[int, int, int], implementation: str = 'fast'
) -> tuple[Count, list[torch.Size]]:
    """One image through a backbone; a large one, for which the reference needs gigabytes, without computing anything.

    Args:
        backbone: On the CPU, with a tuple of maps for its output.
        shape: Of the image, channels×H×W.
        implementation: 'fast' or 'reference', of a backbone of this package. In fvcore's convention the reference is
            counted as the published code is: that sums over the clusters of a pooling layer by broadcast
            multiplications, which fvcore does not count. Here it is one matrix product, whose M·N·C multiply-adds are
            put with the other operators.

    Returns:
        The count, and the shapes of the maps.
    """
    layers: list[Any] = [module for module in backbone.modules() if hasattr(module, 'implementation')]
    counter, sums = MultiplyAdds(), 0

    def look(layer: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        nonlocal sums
        r = layer.regions
        h, w = (ceil_div(side, 2 * r) * 2 for side in inputs[0].shape[1:3])
        sums += r**2 * (h * w // 4) * (h * w) * output.shape[-1]

    hooks = [layer.register_forward_hook(look) for layer in layers if isinstance(layer, PoolingLayer)]
    for layer in layers:
        layer.implementation = implementation
    try:
        large = shape[1] * shape[2] > RUN
        with FakeTensorMode(allow_non_fake_inputs=True) if large else nullcontext(), torch.no_grad(), counter:
            maps = backbone(torch.zeros(1, *shape))
    finally:
        for layer in layers:
            layer.implementation = 'fast'
        for hook in hooks:
            hook.remove()
    if implementation == 'reference':
        counter.count.fvcore['aten.bmm'] -= sums
        counter.count.others['sums over clusters'] += sums
    return counter.count, [m.shape for m in maps]
