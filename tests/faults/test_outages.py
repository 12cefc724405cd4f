"""Trainings of two processes that outlive an outage, and those that end as one hangs: with small numbers, and the
hook's own."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.tools.tiny import make_config, make_data

from .outages import FOREVER, POINTS, during, hold_the_lock, stop, wait
from .runs import Run

LOADED = 'mmpretrain.datasets.CustomDataset.__getitem__'
FORWARD = 'mmpretrain.models.ImageClassifier.loss'
HOOK = "process_watch=dict(type='fec_mm.ProcessWatchHook', {arguments})"
CONFIG = """
default_hooks.update(exact_resume=dict(type='fec_mm.ExactResumeHook'), divergence=dict(type='fec_mm.DivergenceHook'),
    {hook})
train_dataloader.update(num_workers={workers}, persistent_workers={workers} > 0)
custom_hooks = {hooks}
"""
SMALL = 'seconds=25, warn_seconds=3, loading_seconds=30'


class Outage(NamedTuple):
    """What happens, and who is named when it lasts.

    Attributes:
        prepare: of `Run`, from the seconds that it is to last.
        seconds: how long, with the hook's own numbers.
        says: of the warning; empty: there need not be one.
        workers: of the loader.
        points: hook points where it waits, too, in process 0.
    """

    prepare: Callable[[float], Callable[[int], None]] = lambda seconds: lambda rank: None
    seconds: float = 70.0
    says: str = ''
    workers: int = 0
    points: tuple[str, ...] = ()


OUTAGES = {
    'storage, one process': Outage(
        lambda s: during(LOADED, wait, s, [1], 3), 200.0, 'process 1 is stuck in loading data of '
    ),
    'storage, all': Outage(
        lambda s: during(LOADED, wait, s, [0, 1], 3), 200.0, 'every process is in loading data of iteration 2'
    ),
    'storage, a worker': Outage(
        lambda s: during(LOADED, wait, s, [0], 3), 200.0, 'process 0 is stuck in loading data of ', 1
    ),
    'storage, all workers': Outage(
        lambda s: during(LOADED, wait, s, [0, 1], 3), 60.0, 'every process is in loading data of ', 1
    ),
    'storage, while it writes': Outage(
        lambda s: during('os.fsync', wait, s, [0]), 200.0, 'process 0 is stuck in saving'
    ),
    'lock held while it saves': Outage(
        lambda s: during('os.fsync', hold_the_lock, s, [0]), 70.0, 'process 0 is stuck in saving'
    ),
    'lock held in a pass': Outage(
        lambda s: during(FORWARD, hold_the_lock, s, [1], 2), 70.0, 'process 1 does not run at all'
    ),
    'first iteration': Outage(
        lambda s: during(FORWARD, wait, s, [1]), 120.0, 'process 1 is stuck in its forward pass of '
    ),
    'validation': Outage(
        lambda s: during('mmpretrain.models.ImageClassifier.predict', wait, s, [1]),
        200.0,
        'process 1 is stuck in validation',
    ),
    'stopped, one process': Outage(
        lambda s: during(FORWARD, stop, s, [1], 2), 60.0, 'process 1 does not run at all for '
    ),
    'stopped, all': Outage(lambda s: during(FORWARD, stop, s, [0, 1], 3), 60.0),
    'hooks, first part': Outage(
        points=POINTS[:5], says='process 0 is stuck in the hook SlowHook (before_train_iter) of '
    ),
    'hooks, second part': Outage(
        points=POINTS[5:10], says='process 0 is stuck in the hook SlowHook (after_train_epoch) before'
    ),
    'hooks, third part': Outage(points=POINTS[10:], says='process 0 is stuck in validation before iteration 3'),
}


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('tiny')
    make_data(folder)
    importlib.import_module('mmpretrain')
    return folder


def begin(root: Path, folder: Path, outage: Outage, seconds: float, arguments: str) -> Run:
    """A training of four iterations and two epochs."""
    folder.mkdir()
    hooks = [dict(type='fec_mm.SlowHook', points=outage.points, seconds=seconds, rank=0)] if outage.points else []
    extra = CONFIG.format(hook=HOOK.format(arguments=arguments), workers=outage.workers, hooks=hooks)
    config = make_config(root, 'mmpretrain', extra, folder)
    return Run(config, folder / 'work', prepare=outage.prepare(seconds), processes=2)


def outlive(
    root: Path, folder: Path, outages: Mapping[str, Outage], seconds: Mapping[str, float], arguments: str, within: float
) -> None:
    """Trainings with these outages must end well, with all their checkpoints, and have said who was waited for."""
    folders = {name: folder / name.replace(' ', '_') for name in outages}
    runs = {name: begin(root, folders[name], outage, seconds[name], arguments) for name, outage in outages.items()}
    codes_of = {name: run.wait(within) for name, run in runs.items()}  # all of them, or some would be left
    for name, outage in outages.items():
        codes = codes_of[name]
        said = runs[name].log.read_text()
        lines = [line for line in said.splitlines() if line.startswith('warning: ')]
        print(f'{name}: {seconds[name]:.0f} s, exit codes {codes}, {len(lines)} warnings, the last one: {lines[-1:]}')
        assert codes == [0, 0], said
        assert 'error: ' not in said
        assert (folders[name] / 'work' / 'epoch_2.pth').is_file()
        assert not outage.says or any(line.startswith(f'warning: {outage.says}') for line in lines), (name, lines)


@pytest.mark.slow
@pytest.mark.parametrize('first', range(0, len(OUTAGES), 4))
def test_in_small(root: Path, tmp_path: Path, first: int) -> None:
    """Ten seconds where the training would end after 25; four of them at the same time."""
    outages = dict(list(OUTAGES.items())[first : first + 4])
    outlive(root, tmp_path, outages, dict.fromkeys(outages, 10.0), SMALL, within=180.0)


@pytest.mark.faults
def test_with_the_numbers_of_the_hook(root: Path, tmp_path: Path) -> None:
    """All at the same time."""
    outlive(root, tmp_path, OUTAGES, {name: outage.seconds for name, outage in OUTAGES.items()}, '', within=900.0)


# Where, at which call, how, and what the other one says of it.
HANGS = {
    'loading': (LOADED, 3, wait, ' is stuck in loading data of iteration 2'),
    'forward': (FORWARD, 2, wait, ' is stuck in its forward pass of iteration 2'),
    'backward': ('torch.Tensor.backward', 2, wait, ' is stuck in its backward pass of iteration 2'),
    'hook': (
        'mmengine.hooks.IterTimerHook._before_iter',
        2,
        wait,
        ' is stuck in the hook IterTimerHook (before_train_iter)',
    ),
    'stopped': ('mmengine.optim.OptimWrapper.update_params', 2, stop, ' does not run at all'),
    'stopped in loading': (LOADED, 3, stop, ' does not run at all'),
}


@pytest.mark.slow
@pytest.mark.parametrize('rank', [0, 1])
def test_who_hangs_is_named_in_small(root: Path, tmp_path: Path, rank: int) -> None:
    """All at the same time."""
    check_hangs(root, tmp_path, dict.fromkeys(HANGS, rank), dict(busy=25.0, loading=30.0), SMALL)


@pytest.mark.faults
def test_who_hangs_is_named_within_six_minutes(root: Path, tmp_path: Path) -> None:
    check_hangs(root, tmp_path, {name: i % 2 for i, name in enumerate(HANGS)}, dict(busy=300.0, loading=330.0), '')


def check_hangs(
    root: Path, folder: Path, ranks: Mapping[str, int], limits: Mapping[str, float], arguments: str
) -> None:
    """Of trainings in which a process hangs the other one says so, after `limits`, and ends."""
    runs = {}
    for name, rank in ranks.items():
        target, count, how, _ = HANGS[name]
        prepare = during(target, how, FOREVER, [rank], count, folder / f'{name}.time')
        runs[name] = begin(root, folder / name, Outage(lambda _, prepare=prepare: prepare), FOREVER, arguments)  # type: ignore[misc]
    ended = await_the_others(runs, ranks, max(limits.values()) + 120)
    for run in runs.values():
        run.kill()
        run.wait()
    for name, run in runs.items():
        says, rank, limit = HANGS[name][-1], ranks[name], limits['loading' if name == 'loading' else 'busy']
        if rank == 0 and 'stopped' in name:
            says = ', or the launcher beside it, does not run at all'  # it holds the store
        took = ended[name] - float((folder / f'{name}.time').read_text())
        said = run.log.read_text()
        print(f'{name}: the other process ended after {took:.0f} s: {run.errors()}')
        assert run.codes[run.pids[1 - rank]] == 1, said
        assert limit <= took < limit + 30
        (error,) = run.errors()
        assert error.startswith(f'error: process {rank}{says}'), error
        assert 'and the others wait for it: see what its machine does, then continue with --resume' in error
        warnings = [line for line in said.splitlines() if line.startswith(f'warning: process {rank}{says}')]
        assert len(warnings) >= 2, said


def await_the_others(runs: Mapping[str, Run], ranks: Mapping[str, int], seconds: float) -> dict[str, float]:
    """When each training's process ended that does not hang."""
    ended: dict[str, float] = {}
    until = time.time() + seconds
    while len(ended) < len(runs) and time.time() < until:
        for name, run in runs.items():
            if (not run.alive() or run.pids[1 - ranks[name]] in run.codes) and name not in ended:
                ended[name] = time.time()
        time.sleep(0.1)
    return {name: ended.get(name, time.time()) for name in runs}
