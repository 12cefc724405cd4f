"""Clusters while they form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from fec_mm.registry import HOOKS
from fec_mm.visualization.figures import enlarge, mean_colours
from fec_mm.visualization.inputs import TestPipeline
from fec_mm.visualization.look import look_at
from fec_mm.wrappers import unwrap


@HOOKS.register_module()
class ClusterVisualizationHook(Hook):
    """Shows the clusters of fixed images during training, by mmengine's visualizer: in a folder, TensorBoard or W&B.

    Before training and then after every `interval` epochs or iterations the visualizer gets an image `clusters_<name of
    the file>` for each file: the input, and every level's clusters in their mean colours, side by side. The step is the
    number of epochs or iterations done. `tools/visualization/clusters_gif.py` makes films of what the local backend
    wrote.

    Args:
        images: Image files; they are loaded as by the test pipeline of the config.
        interval: Epochs or iterations from picture to picture.
        by_epoch: Which of them.
    """

    def __init__(self, images: Sequence[str], interval: int = 1, by_epoch: bool = True) -> None:
        if not images or isinstance(images, str) or interval < 1:
            raise ValueError(f'images={images!r} must be a list of files, and interval={interval} at least 1')
        self.images, self.interval, self.by_epoch = images, interval, by_epoch
        self._pipeline: TestPipeline | None = None

    def before_train(self, runner: Runner) -> None:
        """Show what the training starts from.

        Raises:
            UserError: A file is no image, or the model has no clustering-based pooling.
        """
        self._pipeline = TestPipeline(runner.cfg)
        self.show(runner, runner.epoch if self.by_epoch else runner.iter)

    def after_train_epoch(self, runner: Runner) -> None:
        """Show the clusters if it is time."""
        if self.by_epoch and self.every_n_epochs(runner, self.interval):
            self.show(runner, runner.epoch + 1)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Show the clusters if it is time."""
        if not self.by_epoch and self.every_n_train_iters(runner, self.interval):
            self.show(runner, runner.iter + 1)

    @master_only
    def show(self, runner: Runner, step: int) -> None:
        """Give the visualizer every image; the model is in training mode again afterwards if it was."""
        assert self._pipeline is not None
        model = unwrap(runner.model)
        training = model.training
        model.eval()
        try:
            for path in self.images:
                look = look_at(path, model, self._pipeline)
                maps = [labels[0].cpu().numpy() for labels in look.required_levels()]
                panels = [look.image, *(mean_colours(look.image, labels) for labels in maps)]
                picture = np.concatenate([enlarge(panel) for panel in panels], axis=1)
                runner.visualizer.add_image(f'clusters_{look.name.rsplit(".", 1)[0]}', picture, step)
        finally:
            model.train(training)
