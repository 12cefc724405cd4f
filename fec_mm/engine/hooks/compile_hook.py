"""A backbone's blocks compiled, and its passes as CUDA graphs, while a model is trained."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from fec_mm.models.compiling import backbones_of, compile_blocks, graph_passes
from fec_mm.registry import HOOKS
from fec_mm.wrappers import unwrap


@HOOKS.register_module()
class CompileHook(Hook):
    """Train clustering backbones through `torch.compile`, block by block, and on GPUs as CUDA graphs.

    It pays where a GPU waits for its host (docs/results/gpu.md). Evaluation and checkpoints stay as they are; values
    change by rounding. The first iteration compiles, for a minute or two. Each further size of images compiles again,
    up to eight: pad images to few sizes.

    Usage: `custom_hooks = [dict(type='fec_mm.CompileHook')]`.

    Args:
        graphs: Whether passes are replayed as CUDA graphs; see `fec_mm.models.compiling.graph_passes`. Default: True.
        options: Of `torch.compile`, such as `backend`. Default: none.
    """

    def __init__(self, graphs: bool = True, **options: Any) -> None:
        self.graphs, self.options = graphs, options

    def before_train(self, runner: Runner) -> None:
        """Prepare the model; what cannot be had is said, and left out."""
        model = unwrap(runner.model)
        if not compile_blocks(model, **self.options):
            runner.logger.warning(f'CompileHook: no clustering backbone in {type(model).__name__}: nothing is compiled')
        wrapper: Any = runner.optim_wrapper
        accumulates = getattr(wrapper, '_accumulative_counts', 1) > 1
        if self.graphs and accumulates:
            runner.logger.warning('CompileHook: CUDA graphs are left out, as gradients are accumulated over iterations')
        elif self.graphs:
            for backbone in backbones_of(model):
                graph_passes(backbone)
