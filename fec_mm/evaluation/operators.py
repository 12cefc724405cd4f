"""What a pass is made of for a GPU: operators that it would launch, and bytes that they read and write.

Counted on whatever device the pass runs. A CPU's pass differs a little: it goes through large maps in tiles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from .flops import is_view


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Operators that give a tensor another shape, or memory without numbers: on a GPU they launch nothing.
IDLE = _names(
    'alias as_strided as_strided_ detach diagonal empty empty_like empty_strided expand expand_as flatten lift_fresh '
    'mT narrow new_empty new_empty_strided permute reshape resize_ resolve_conj resolve_neg result_type select set_ '
    'slice split split_with_sizes squeeze t to transpose unbind unflatten unfold unsqueeze view view_as _reshape_alias '
    '_unsafe_view'
)
PRODUCTS = _names(
    'mm addmm addmm_ bmm baddbmm baddbmm_ mv addmv addmv_ dot convolution _convolution mkldnn_convolution '
    'convolution_backward mkldnn_linear _scaled_dot_product_flash_attention_for_cpu '
    '_scaled_dot_product_flash_attention_for_cpu_backward'
)


@dataclass(frozen=True)
class Operators:
    """Of one pass.

    Args:
        products: Matrix products and convolutions, by operator.
        others: All others that compute or copy, by operator.
        moved: Bytes that these read and wrote, each tensor of an operator once.
    """

    products: Counter[str]
    others: Counter[str]
    moved: int

    @property
    def launches(self) -> int:
        return sum((self.products + self.others).values())


def operators_of(run: Callable[[], object]) -> Operators:
    """Of one call, after one that makes what is kept for a size."""
    run()
    with _Counting() as counting:
        run()
    return Operators(counting.products, counting.others, counting.moved)


def works(name: str) -> bool:
    """Whether a name, as PyTorch's profiler and schemas have it, is that of an operator that computes or copies."""
    namespace, _, operator = name.partition('::')
    return namespace in ('aten', 'fec_mm') and operator not in IDLE


class _Counting(TorchDispatchMode):
    """Counts what runs inside it, below autograd."""

    keeps = True  # see `fec_mm.ops.regions.kept`

    def __init__(self) -> None:
        super().__init__()
        self.products: Counter[str] = Counter()
        self.others: Counter[str] = Counter()
        self.moved = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        tensors = [t for t in tree_flatten((args, kwargs, out))[0] if isinstance(t, Tensor)]
        if tensors and works(func._schema.name) and not is_view(func):
            name = func._schema.name.partition('::')[2]
            (self.products if name in PRODUCTS else self.others)[name] += 1
            self.moved += sum(_bytes(t) for t in tensors)
        return out


def _bytes(t: Tensor) -> int:
    """Of a tensor's own numbers: an expanded one repeats some of them."""
    count = 1
    for side, stride in zip(t.shape, t.stride()):
        count *= side if stride else 1
    return count * t.element_size()
