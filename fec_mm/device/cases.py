"""What is timed: a backbone on random images, with the settings of a task, forward or forward and backward.

Shapes: images B×3×H×W.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fec_mm.models import FEC, CLUENet, ContextCluster, EnFormer
from fec_mm.models.backbones.staged_backbone import StagedBackbone
from fec_mm.models.compiling import compile_blocks, graph_passes

from .networks import DENSE, DETECTION, SEGMENTATION, TINY

TASKS: dict[str, dict[str, Any]] = {
    'classification': dict(size=(224, 224), batch=8, out_indices=-1, fec={}),
    'segmentation': dict(size=(512, 512), batch=1, out_indices=DENSE, fec=SEGMENTATION),
    'detection': dict(size=(800, 1344), batch=1, out_indices=DENSE, fec=DETECTION),
}
ARCHS: dict[str, tuple[Callable[..., StagedBackbone], str]] = {
    **{name: (FEC, name) for name in FEC.arch_settings},
    **{f'coc-{name.replace("_", "-")}': (ContextCluster, name) for name in ContextCluster.arch_settings},
    **{f'enformer-{name}': (EnFormer, name) for name in EnFormer.arch_settings},
    **{f'cluenet-{name}': (CLUENet, name) for name in CLUENet.arch_settings},
}
# Backbones of mmpretrain, and their four stages' out_indices.
PEERS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    'resnet50': (dict(type='ResNet', depth=50), DENSE),
    'poolformer_s12': (dict(type='PoolFormer', arch='s12'), (0, 2, 4, 6)),
    'swin_t': (dict(type='SwinTransformer', arch='tiny', pad_small_map=True), DENSE),
    'convnext_t': (dict(type='ConvNeXt', arch='tiny', gap_before_final_norm=False), DENSE),
}
LAUNCHES = ('eager', 'compiled', 'blocks', 'graph', 'blocks+graph')
PRECISIONS = ('float32', 'tf32', 'float16', 'bfloat16')


@contextmanager
def arithmetic(precision: str, device: str) -> Iterator[None]:
    """What float32 networks compute in.

    Args:
        precision: 'float32', PyTorch's defaults; 'tf32', which rounds the factors of matrix products to 10 bits too (by
            default only those of convolutions are); 'float16' or 'bfloat16', autocast.
        device: 'cpu' or 'cuda[:i]'.
    """
    if precision in ('float16', 'bfloat16'):
        with torch.autocast(device.split(':')[0], getattr(torch, precision)):
            yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision('high' if precision == 'tf32' else 'highest')
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def use(implementation: str, model: nn.Module) -> None:
    """Have all clustering layers compute by 'fast' or 'reference' operators."""
    for module in model.modules():
        if hasattr(module, 'implementation'):
            module.implementation = implementation  # type: ignore[assignment]


@dataclass(frozen=True)
class Case:
    """One row of a table. Everything a process of its own needs to repeat it.

    Args:
        task: Of `TASKS`.
        arch: Of `ARCHS` or `PEERS`, or 'tiny', two blocks.
        size: H, W.
        batch: Images.
        mode: 'eval', forward, or 'train', forward and backward.
        device: 'cpu' or 'cuda[:i]'.
        precision: Of `PRECISIONS`.
        launch: How the network is run: 'eager'; 'compiled', whole and for any size; of a clustering backbone in 'train'
            also 'blocks', compiled as `fec_mm.CompileHook` does; 'graph', as a CUDA graph; 'blocks+graph', both.
        options: Further arguments of a clustering backbone.
    """

    task: str
    arch: str
    size: tuple[int, int]
    batch: int
    mode: str
    device: str = 'cpu'
    precision: str = 'float32'
    launch: str = 'eager'
    options: tuple[tuple[str, Any], ...] = ()

    def row(self) -> dict[str, Any]:
        """The columns that say what is measured."""
        return dict(
            task=self.task,
            arch=', '.join([self.arch, *(f'{name}={value}' for name, value in self.options)]),
            size='x'.join(map(str, self.size)),
            batch=self.batch,
            mode=self.mode,
            precision=self.precision,
            launch=self.launch,
        )

    def build(self, implementation: str = 'fast') -> nn.Module:
        """The backbone, on its device and in its mode; `implementation`: 'fast' or 'reference'."""
        torch.manual_seed(0)
        settings = TASKS[self.task]
        if self.arch in PEERS:
            from mmpretrain.registry import MODELS

            config, stages = PEERS[self.arch]
            stages = stages if settings['out_indices'] == DENSE else stages[-1:]
            model: Any = MODELS.build({**config, 'out_indices': stages})
        elif self.arch == 'tiny':
            model = FEC(TINY, out_indices=(0, 1))
        else:
            family, arch = ARCHS[self.arch]
            special = settings['fec'] if family is FEC else {'task': self.task} if family is EnFormer else {}
            model = family(arch, out_indices=settings['out_indices'], **{**special, **dict(self.options)})
        use(implementation, model)
        model.to(self.device).train(self.mode == 'train')
        if self.launch == 'compiled':
            model.compile(fullgraph=True)
        if 'blocks' in self.launch:
            compile_blocks(model, fullgraph=True)
        if 'graph' in self.launch:
            graph_passes(model)
        return model

    def images(self) -> Tensor:
        return torch.randn(self.batch, 3, *self.size, device=self.device)

    def step(self, model: nn.Module) -> Callable[[], None]:
        """A function that runs the model once."""
        images = self.images()

        def run() -> None:
            with torch.set_grad_enabled(self.mode == 'train'), arithmetic(self.precision, self.device):
                outputs = model(images)
            if self.mode == 'train':
                # Gradients of ones: no loss to compute, nor to compute with.
                torch.autograd.backward(list(outputs), [torch.ones_like(o) for o in outputs])
                model.zero_grad(set_to_none=True)

        return run
