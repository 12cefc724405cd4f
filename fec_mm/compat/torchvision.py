"""torchvision beside a torch that its compiled part was not built for."""

from __future__ import annotations

import sys
from typing import Any

from .importing import before_import

_kept: dict[str, Any] = {}  # a torch.library.Library loses its definitions when it is garbage collected


def declare_torchvision_ops() -> None:
    """Make `import torchvision` work beside a torch that its compiled part was not built for.

    PyPI's torchvision on Linux is linked against CUDA's torch and does not load beside a CPU-only torch; its
    `torchvision/_meta_registrations.py` then fails with "operator torchvision::nms does not exist". No operator of
    torchvision is used here or by the toolboxes' models, so that the two schemas are enough. Where the compiled part
    loads, nothing is declared.
    """
    if 'torchvision' in sys.modules or 'torchvision' in _kept:
        return
    from importlib.util import find_spec

    spec = find_spec('torchvision')
    if spec is None or not spec.submodule_search_locations:
        return
    from pathlib import Path

    import torch

    for folder in spec.submodule_search_locations:
        for library in [*Path(folder).glob('_C*.so'), *Path(folder).glob('_C*.pyd')]:
            try:
                torch.ops.load_library(library)
            except OSError:
                continue
            return
    operators = torch.library.Library('torchvision', 'FRAGMENT')
    for name in ('nms', 'qnms'):
        operators.define(f'{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
    _kept['torchvision'] = operators


def await_torchvision() -> None:
    """Run `declare_torchvision_ops` when something imports torchvision, and not before.

    For a `.pth` file of an environment where the plain import fails: mmpretrain and mmdet import torchvision
    (mmpretrain/models/multimodal, mmdet/models/backbones), also from their own `tools/train.py`, which knows nothing
    of fec_mm at that point.
    """
    before_import('torchvision', declare_torchvision_ops)
