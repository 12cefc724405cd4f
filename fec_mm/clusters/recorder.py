"""What each clustering layer assigned to what, taken from its tap while a model runs.

Shapes: assignments are B×heads×H×W, int64, see `fec_mm.models.layers.AssignmentTap`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from fec_mm.errors import UserError
from fec_mm.models.layers import AssignmentTap, LearntPool, PoolingLayer, Stem


@dataclass
class Assignments:
    """The assignments of the last forward, by the name of the layer, in the order in which the layers ran.

    Attributes:
        layers: of every clustering layer.
        pool_names: which of them are pooling layers.
        image_size: H, W of the images that the backbone's stem got, padding of the batch included.
        stem_size: Sides of the stem's map.
        confidences: Of soft assignments, of which the largest is recorded: how large it is, as `layers`.
    """

    layers: dict[str, Tensor] = field(default_factory=dict)
    pool_names: set[str] = field(default_factory=set)
    image_size: tuple[int, int] = (0, 0)
    stem_size: tuple[int, int] = (0, 0)
    confidences: dict[str, Tensor] = field(default_factory=dict)

    @property
    def pools(self) -> list[Tensor]:
        """The assignments of the pooling layers that ran, B×1×H×W each, from the finest to the coarsest map."""
        return [ids for name, ids in self.layers.items() if name in self.pool_names]

    @property
    def encodes(self) -> dict[str, Tensor]:
        """The assignments of the encode layers that ran, B×heads×H×W each."""
        return {name: ids for name, ids in self.layers.items() if name not in self.pool_names}


@contextmanager
def record_assignments(model: nn.Module) -> Iterator[Assignments]:
    """Record what a model assigns inside of the `with`.

    Forward hooks on the taps do it, and are removed at the end, also after an exception. Without this, no model keeps
    any assignment. A layer that runs again replaces its record. Positions that only complete a region are not in it;
    those that complete a batch's images are, at the bottom and on the right.

    Args:
        model: A backbone, or whatever contains one.

    Raises:
        UserError: It has no clustering layer.
    """
    record, handles = Assignments(), []

    def keep_size(_stem: nn.Module, inputs: tuple[Tensor, ...], points: Tensor) -> None:
        record.image_size = (inputs[0].shape[-2], inputs[0].shape[-1])
        record.stem_size = (points.shape[1], points.shape[2])

    try:
        for name, layer in model.named_modules():
            if isinstance(layer, Stem):
                handles.append(layer.register_forward_hook(keep_size))
            for tap in layer.children():
                if isinstance(tap, AssignmentTap):
                    handles.append(tap.register_forward_hook(_keep(record, name)))
                    if isinstance(layer, (PoolingLayer, LearntPool)):
                        record.pool_names.add(name)
        if not any(isinstance(module, AssignmentTap) for module in model.modules()):
            raise UserError(
                f'{type(model).__name__} has no clustering layer: use a model with fec_mm.FEC, '
                'CLUENet, EnFormer or ContextCluster as its backbone'
            )
        yield record
    finally:
        for handle in handles:
            handle.remove()


def _keep(record: Assignments, name: str) -> Callable[[nn.Module, Any, Tensor], None]:
    def hook(_module: nn.Module, inputs: tuple[Tensor, ...], ids: Tensor) -> None:
        record.layers.pop(name, None)  # one that runs again moves to the end: the order is that of the last run
        record.layers[name] = ids
        if len(inputs) > 1:
            record.confidences[name] = inputs[1]

    return hook
