"""Hooks that tests of several processes name in their configs, through `custom_imports`."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from fec_mm.registry import HOOKS


@HOOKS.register_module()
class RandomWeightsHook(Hook):
    """Move every weight of a new model, so that each of them matters: similarities' alpha and beta, too."""

    def before_train(self, runner: Runner) -> None:
        if runner.iter == 0:
            generator = torch.Generator().manual_seed(1)
            for parameter in runner.model.parameters():
                noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                parameter.data += 0.2 * noise.to(parameter)


@HOOKS.register_module()
class RecordHook(Hook):
    """Append each step's iteration, epoch, rate and loss in this process to `<work_dir>/steps.<rank>.jsonl`."""

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        step = dict(
            iter=runner.iter, epoch=runner.epoch, lr=runner.optim_wrapper.get_lr()['lr'][0], loss=outputs['loss'].item()
        )
        with (Path(runner.work_dir) / f'steps.{runner.rank}.jsonl').open('a') as file:
            file.write(json.dumps(step) + '\n')


@HOOKS.register_module()
class DieHook(Hook):
    """End one process at an iteration.

    Args:
        rank: which one.
        at: before which iteration.
        kill: by SIGKILL instead of by an exception.
        file: gets the time of it.
    """

    def __init__(self, rank: int, at: int, kill: bool, file: str) -> None:
        self.rank, self.at, self.kill, self.file = rank, at, kill, file

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if (runner.rank, runner.iter) == (self.rank, self.at):
            Path(self.file).write_text(str(time.time()))
            if self.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise ArithmeticError(f'process {self.rank} has had enough')
