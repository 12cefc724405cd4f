"""A training leaves a plot of its loss and scores."""

from __future__ import annotations

import logging
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from fec_mm.fileio import whole_file
from fec_mm.registry import HOOKS
from fec_mm.visualization.curves import curves_figure, read_curves

NAME = 'curves.png'


@HOOKS.register_module()
class CurvesHook(Hook):
    """Write `curves.png` into the work directory when a training ends: the loss, and below the scores of validations.

    `tools/train.py` adds it by itself. A plot that cannot be made is no reason for a training to fail: a warning says
    why.
    """

    priority = 'VERY_LOW'  # when the last validation is logged

    def after_train(self, runner: Runner) -> None:
        """Write the plot, from the first process."""
        if runner.rank != 0:
            return
        folder = Path(runner.work_dir)
        try:
            figure = curves_figure({runner.experiment_name: read_curves(folder)})
            with whole_file(folder / NAME) as part:
                figure.savefig(part, dpi=120)
        except Exception as error:
            print_log(f'no {NAME}: {error}', 'current', logging.WARNING)
        else:
            print_log(f'loss and scores are drawn in {folder / NAME}', 'current')
