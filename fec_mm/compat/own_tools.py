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


def _mend_tight_boxes(scope: str) -> None:
    """matplotlib 3.11 wants the renderer that mmpretrain's browse_dataset leaves out."""
    import matplotlib._tight_bbox

    boxes: Any = matplotlib._tight_bbox
    adjust = boxes.adjust_bbox

    def adjust_bbox(figure: Any, bbox: Any, renderer: Any = None, *args: Any, **kwargs: Any) -> Any:
        return adjust(figure, bbox, renderer or figure.canvas.get_renderer(), *args, **kwargs)

    boxes.adjust_bbox = adjust_bbox


def _mend_tsne(scope: str) -> None:
    """scikit-learn 1.7 has no `n_iter`, which is `max_iter` since 1.5."""
    from sklearn import manifold

    class TSNE(manifold.TSNE):
        def __init__(self, *args: Any, n_iter: int = 1000, **kwargs: Any) -> None:
            super().__init__(*args, **{'max_iter': n_iter, **kwargs})

    manifold.TSNE = TSNE


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
    for name, kind in list(vars(pytorch_grad_cam).items()):
        if isinstance(kind, type) and issubclass(kind, base_cam.BaseCAM):
            setattr(pytorch_grad_cam, name, _without_use_cuda(kind))


def _channels_last(layer: Any, layer_norm: type) -> bool:
    return isinstance(layer, layer_norm) or type(layer).__module__.startswith('fec_mm.models.layers')


def _channels_first(x: Any) -> Any:
    """B×H×W×C → B×C×H×W."""
    return x.permute(0, 3, 1, 2)


def _without_use_cuda(kind: type) -> Callable[..., Any]:
    def build(*args: Any, use_cuda: bool = False, **kwargs: Any) -> Any:
        return kind(*args, **kwargs)

    return build


def _mend_confusion(scope: str) -> None:
    """mmseg's confusion_matrix reads the classes of a data set's type, which has none where the config names them, and
    takes one off label maps once more that were loaded with `reduce_zero_label`."""
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


MENDED: dict[str, Callable[[str], None]] = {
    'browse_dataset.py': _mend_tight_boxes,
    'vis_tsne.py': _mend_tsne,
    'analyze_logs.py': _mend_styles,
    'vis_cam.py': _mend_class_maps,
    'visualization_cam.py': _mend_class_maps,
    'confusion_matrix.py': _mend_confusion,
}
