"""The tools of the toolboxes beside newer versions of what they use."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from .devices import adapt_to_device

PAINTERS = {
    'mmpretrain': 'UniversalVisualizer',
    'mmdet': 'DetLocalVisualizer',
    'mmseg': 'SegLocalVisualizer',
}


def mend_tools(scope: str, tool: str) -> None:
    """Mend what a tool of a toolbox stumbles over. For the process that runs that one tool.

    Args:
        scope: The toolbox, which is imported.
        tool: The name of its file.
    """
    _mend_configs(scope)
    mend = MENDED.get(tool)
    if mend is not None:
        mend(scope)


def _mend_configs(scope: str) -> None:
    """Complete the configs that tools read.

    - What cannot run without an accelerator, as in our own tools: mmpretrain's vis_scheduler builds the optimizer.
    - A visualizer, which browse_dataset asks for.
    - The settings of loaders that mmpretrain's train.py and test.py add, and its kfold-cross-valid.py overdoes: workers
      that are kept alive, where there are none.
    - mmseg's visualization_cam looks for the preprocessor beside the model.
    """
    from mmengine.config import Config

    read = Config.fromfile

    @functools.wraps(read)
    def completed(*args: Any, **kwargs: Any) -> Any:
        cfg = read(*args, **kwargs)
        if 'model' in cfg:
            adapt_to_device(cfg)
        if not cfg.get('visualizer'):
            cfg.visualizer = dict(type=PAINTERS[scope], name='visualizer', vis_backends=[dict(type='LocalVisBackend')])
        for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            if cfg.get(name) and not cfg[name].get('num_workers'):
                cfg[name].persistent_workers = False
        if scope == 'mmseg' and 'data_preprocessor' not in cfg and 'model' in cfg:
            cfg.data_preprocessor = cfg.model.get('data_preprocessor')
        return cfg

    Config.fromfile = staticmethod(completed)


def _mend_browsing(scope: str) -> None:
    """matplotlib 3.11 wants the renderer that mmpretrain's browse_dataset leaves out, and OpenCV 5 a layout in memory
    that mmseg's do not give."""
    if scope == 'mmseg':
        import numpy as np
        from mmseg.visualization import SegLocalVisualizer

        add = SegLocalVisualizer.add_datasample

        def add_datasample(self: Any, name: str, image: Any, *args: Any, **kwargs: Any) -> None:
            add(self, name, np.ascontiguousarray(image), *args, **kwargs)

        SegLocalVisualizer.add_datasample = add_datasample
        _mend_classes(scope)
    import matplotlib._tight_bbox

    boxes: Any = matplotlib._tight_bbox
    adjust = boxes.adjust_bbox

    def adjust_bbox(figure: Any, bbox: Any, renderer: Any = None, *args: Any, **kwargs: Any) -> Any:
        return adjust(figure, bbox, renderer or figure.canvas.get_renderer(), *args, **kwargs)

    boxes.adjust_bbox = adjust_bbox


def _mend_tsne(scope: str) -> None:
    """scikit-learn 1.7 has no `n_iter`, which is `max_iter` since 1.5."""
    from sklearn import manifold

    kind = manifold.TSNE

    def build(*args: Any, n_iter: int = 1000, **kwargs: Any) -> Any:
        return kind(*args, **{'max_iter': n_iter, **kwargs})

    manifold.TSNE = build


def _mend_styles(scope: str) -> None:
    """mmdet's and mmseg's analyze_logs import seaborn for the look of a plot, which matplotlib has, too."""
    if find_spec('seaborn') is not None:
        return
    from matplotlib import pyplot

    seaborn: Any = ModuleType('seaborn')
    seaborn.set_style = lambda style: pyplot.style.use(f'seaborn-v0_8-{style}')
    sys.modules['seaborn'] = seaborn


def _mend_class_maps(scope: str) -> None:
    """grad-cam 1.5 has no `use_cuda`, and takes maps to be B×C×H×W, where those within our backbones are B×H×W×C."""
    if find_spec('pytorch_grad_cam') is None:
        return
    import pytorch_grad_cam
    from pytorch_grad_cam import activations_and_gradients, base_cam
    from torch import nn

    class ActivationsAndGradients(activations_and_gradients.ActivationsAndGradients):
        def __init__(self, model: Any, target_layers: Any, reshape_transform: Any, *args: Any, **kwargs: Any) -> None:
            last = {_channels_last(layer, nn.LayerNorm) for layer in target_layers}
            if last == {True}:
                reshape_transform = _channels_first
            super().__init__(model, target_layers, reshape_transform, *args, **kwargs)

    for module in (activations_and_gradients, base_cam):
        module.ActivationsAndGradients = ActivationsAndGradients
    for kind in (*base_cam.BaseCAM.__subclasses__(), pytorch_grad_cam.GradCAMPlusPlus):
        kind.__init__ = _without_use_cuda(kind.__init__)


def _channels_last(layer: Any, layer_norm: type) -> bool:
    return isinstance(layer, layer_norm) or type(layer).__module__.startswith('fec_mm.models.layers')


def _channels_first(x: Any) -> Any:
    """B×H×W×C → B×C×H×W."""
    return x.permute(0, 3, 1, 2)


def _without_use_cuda(build: Callable[..., None]) -> Callable[..., None]:
    def built(self: Any, *args: Any, use_cuda: bool = False, **kwargs: Any) -> None:
        build(self, *args, **kwargs)

    return built


def _mend_classes(scope: str) -> None:
    """mmseg's browse_dataset and confusion_matrix read the classes of a data set's type, which has none where the
    config names them; the latter takes one off label maps once more that were loaded with `reduce_zero_label`."""
    if scope != 'mmseg':
        return
    from mmseg.datasets import BaseSegDataset

    build = BaseSegDataset.__init__

    @functools.wraps(build)
    def built(self: Any, *args: Any, **kwargs: Any) -> None:
        build(self, *args, **kwargs)
        self.METAINFO = self.metainfo
        self.full_init()  # with which each image knows
        self.reduce_zero_label = False

    BaseSegDataset.__init__ = built


def _mend_counting(scope: str) -> None:
    """mmengine takes the shape of an input or the input, and mmseg's get_flops gives both."""
    if scope != 'mmseg':
        return
    from mmengine import analysis

    count = analysis.get_model_complexity_info

    def get_model_complexity_info(model: Any, input_shape: Any = None, inputs: Any = None, **kwargs: Any) -> Any:
        return count(model, None if inputs is not None else input_shape, inputs, **kwargs)

    analysis.get_model_complexity_info = get_model_complexity_info


MENDED: dict[str, Callable[[str], None]] = {
    'browse_dataset.py': _mend_browsing,
    'vis_tsne.py': _mend_tsne,
    'analyze_logs.py': _mend_styles,
    'vis_cam.py': _mend_class_maps,
    'visualization_cam.py': _mend_class_maps,
    'confusion_matrix.py': _mend_classes,
    'get_flops.py': _mend_counting,
}
