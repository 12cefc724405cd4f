"""2,000 iterations of the quick start, in float32 and under bfloat16 autocast: memory stays flat, losses finite."""

from __future__ import annotations

import importlib
import json
import math
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from scipy import stats

from .quickstart import SCOPES, make_quickstart
from .runs import Run

ITERATIONS, WARM_UP, EVERY = 2000, 500, 20
LENGTH = {
    'classification': f"train_dataloader['dataset']['indices'] = "
    f'None\ntrain_cfg.update(max_epochs={ITERATIONS // 1000})\n'
    f"param_scheduler['total_steps'] = {ITERATIONS // 1000}\n",
    'segmentation': f"train_cfg.update(max_iters={ITERATIONS}, val_interval=500)\nparam_scheduler['total_steps'] = "
    f'{ITERATIONS}\n'
    "default_hooks['checkpoint']['interval'] = 500\n",
}
pytestmark = pytest.mark.faults


def recording(file: Path, bfloat16: bool) -> Any:
    """For `prepare`: write the process's memory and loss down, every so many iterations; and autocast."""

    def prepare(rank: int) -> None:
        process, context = psutil.Process(), OptimWrapper.optim_context
        for loop in (EpochBasedTrainLoop, IterBasedTrainLoop):
            run_iter = loop.run_iter

            def run_and_record(self: Any, *args: Any, run_iter: Any = run_iter) -> None:
                run_iter(self, *args)
                if self.iter % EVERY == 0:
                    loss = self.runner.message_hub.get_scalar('train/loss').current()
                    with file.open('a') as lines:
                        lines.write(json.dumps([self.iter, process.memory_info().rss, loss]) + '\n')

            loop.run_iter = run_and_record
        if bfloat16:

            def autocasting(self: Any, model: Any) -> Any:
                stack = importlib.import_module('contextlib').ExitStack()
                stack.enter_context(context(self, model))
                stack.enter_context(torch.autocast('cpu', torch.bfloat16))
                return stack

            OptimWrapper.optim_context = autocasting

    return prepare


@pytest.mark.parametrize('bfloat16', [False, True])
@pytest.mark.parametrize('task', LENGTH)
def test_memory_is_flat_and_losses_are_finite(tmp_path: Path, task: str, bfloat16: bool) -> None:
    """After the warm-up: less than 10 MiB in 1,000 iterations, at the upper end of the slope's 95 % interval."""
    importlib.import_module(SCOPES[task])
    file = tmp_path / 'memory.jsonl'
    run = Run(make_quickstart(tmp_path, task, LENGTH[task]), tmp_path / 'work', prepare=recording(file, bfloat16))
    assert run.wait(1500) == [0], run.log.read_text()[-3000:]
    steps, memory, losses = zip(*(json.loads(line) for line in file.read_text().splitlines()))
    assert steps[-1] == ITERATIONS and all(map(math.isfinite, losses))
    later = [i for i, step in enumerate(steps) if step > WARM_UP]
    fit = stats.linregress([steps[i] for i in later], [memory[i] / 2**20 for i in later])
    half = 1.96 * fit.stderr
    print(
        f'{task}, {"bfloat16" if bfloat16 else "float32"}: {memory[later[0]] / 2**20:.0f} MiB, '
        f'{1000 * (fit.slope - half):+.2f} to {1000 * (fit.slope + half):+.2f} MiB in 1,000 iterations; '
        f'loss {losses[0]:.3f} to {losses[-1]:.3f}'
    )
    assert 1000 * (fit.slope + half) < 10
