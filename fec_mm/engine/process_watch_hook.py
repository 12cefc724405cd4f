"""Processes that train together find out which of them hangs."""
from __future__ import annotations

import os
import re
import sys
import threading
import time
from itertools import count
from typing import Any, NamedTuple, NoReturn

from mmengine.dist import all_gather_object, get_dist_info
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch.distributed import TCPStore
from torch.nn.parallel import DistributedDataParallel

from fec_mm.errors import UserError
from fec_mm.registry import HOOKS

LOADING, FORWARD, BACKWARD, ELSEWHERE = range(4)
PAUSE = 10.  # seconds between two looks at whether a process runs
DOING = ('loading data', 'its forward pass', 'its backward pass', 'validation or saving')


class State(NamedTuple):
    """Where a process is. `beat` counts on as long as it runs at all, `progress` the parts of a pass that were begun or done."""
    beat: int
    iteration: int
    stage: int
    progress: int = 0


def find_stalled(before: list[State], now: list[State], rank: int) -> str | None:
    """Which processes keep `rank` waiting.

    Args:
        before: the states of all processes, seconds ago.
        now: the same, now.
        rank: a process that has not moved for long.

    Returns:
        Their numbers and what they do; None when they may be waited for, or nobody is behind.
    """
    stalled = {r: 'does not run at all' for r in range(len(now)) if r != rank and now[r].beat == before[r].beat}
    if not stalled:
        behind = [r for r, state in enumerate(now) if state[1:] < now[rank][1:] and state[1:] == before[r][1:]]
        if any(now[r].stage == ELSEWHERE for r in behind):
            return None
        stalled = {r: f'is stuck in {DOING[now[r].stage]} of iteration {now[r].iteration + 1}' for r in behind}
    return ', '.join(f'process {r} {what}' for r, what in stalled.items()) or None


@HOOKS.register_module()
class ProcessWatchHook(Hook):
    """End a training in which one process hangs and the others would wait for it, for torch's 10 to 30 minutes.

    Each process tells the others where it is, through the store that the process group was made with. A process whose
    forward or backward pass does not end asks who is behind, says so in one line, and exits, upon which the launcher
    stops the rest. Loading, forward and backward passes are watched; while a process behind validates or saves,
    the others wait for it. Within a pass, where the processes may wait for each other as well, the one is behind that
    has entered fewer of the model's parts and SyncBNs, or has fewer gradients; of a compiled model that is not known.
    All of that happens in threads. Processes whose epochs have different lengths, which would wait for each other at the
    end, are refused at the start.

    Args:
        seconds: after which a process hangs, more than 10. A process may load or compile for longer: raise it then.
    """
    priority = 'LOWEST'

    def __init__(self, seconds: float = 45.) -> None:
        self.seconds = seconds
        self._iteration, self._stage, self._progress, self._since = 0, ELSEWHERE, 0, 0.
        self._ended = threading.Event()
        self._asking: float | None = None  # since when
        self._answers: list[tuple[float, list[State]]] = []  # since this process stands still, with their times

    def before_train(self, runner: Runner) -> None:
        """Compare the lengths of epochs, and begin to watch.

        Raises:
            UserError: they differ.
        """
        self._rank, self._world = get_dist_info()
        if self._world == 1:
            return
        epochs = isinstance(runner.train_loop, EpochBasedTrainLoop)
        _check_lengths(all_gather_object(len(runner.train_dataloader) if epochs else 0))  # after which all are there
        model: Any = runner.model
        self._handles = [model.register_forward_hook(self._after_forward)]
        if isinstance(model, DistributedDataParallel) and not runner.cfg.get('compile'):
            def advance(*_: Any) -> None:  # a function, so that a model can still be copied
                self._progress += 1
                self._since = time.monotonic()

            meeting = (m for m in model.modules() if re.search('Sync.*BatchNorm', type(m).__name__))  # torch's and mmcv's
            self._handles += [part.register_forward_pre_hook(advance) for part in {*model.module.children(), *meeting}]
            self._handles += [p.register_post_accumulate_grad_hook(advance) for p in model.parameters() if p.requires_grad]
        self._move(runner.iter, ELSEWHERE)
        for target in (self._tell, self._watch):
            threading.Thread(target=target, daemon=True).start()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self._move(runner.iter, FORWARD)

    def _after_forward(self, *_: Any) -> None:
        if self._stage == FORWARD:  # and not in validation
            self._move(self._iteration, BACKWARD)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._move(runner.iter + 1, LOADING)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        self._move(self._iteration, ELSEWHERE)

    def after_train_epoch(self, runner: Runner) -> None:
        self._move(runner.iter, LOADING)

    def before_val(self, runner: Runner) -> None:
        self._move(self._iteration, ELSEWHERE)

    def after_val(self, runner: Runner) -> None:
        self._move(self._iteration, LOADING)

    def after_train(self, runner: Runner) -> None:
        """Watch no more."""
        self._ended.set()
        if self._world > 1:
            for handle in self._handles:
                handle.remove()

    def _move(self, iteration: int, stage: int) -> None:
        self._iteration, self._stage, self._progress, self._since = iteration, stage, 0, time.monotonic()

    def _tell(self) -> None:
        """A thread: tell the others, and ask them when `_watch` wants to know."""
        address, port = os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT'])
        keys = [f'fec_mm/at/{rank}' for rank in range(self._world)]
        try:
            # A connection of its own: the group's would be blocked for everybody else when its other end is stopped.
            store = TCPStore(address, port, is_master=False, wait_for_workers=False)
            for beat in count():
                store.set(keys[self._rank], f'{beat} {self._iteration} {self._stage} {self._progress}')
                if self._asking is not None:
                    answer = [State(*map(int, state.split())) for state in store.multi_get(keys)]
                    self._answers.append((time.monotonic(), answer))
                if self._ended.wait(1.):
                    return
        except RuntimeError:  # the store went away with the process that held it, whose end the launcher reports
            self._ended.set()

    def _watch(self) -> None:
        """A thread: look whether this process moves, and if it does not, at the others."""
        looked = time.monotonic()
        while not self._ended.wait(1.):
            before_that, looked = looked, time.monotonic()
            if looked - before_that > PAUSE:  # all of it was suspended, and continues
                self._since = looked
            still = looked - self._since
            if self._stage not in (FORWARD, BACKWARD) or still < self.seconds - PAUSE:
                self._asking, self._answers = None, []
            elif self._asking is None:
                self._asking = looked
            elif still >= self.seconds:
                answers = self._answers
                if looked - (answers[-1][0] if answers else self._asking) >= PAUSE:
                    self._end('process 0, or the launcher beside it, does not run at all')  # one of them holds the store
                if not answers or answers[-1][0] - answers[0][0] < PAUSE - 3:
                    continue
                before, now = answers[0][1], answers[-1][1]
                stalled = find_stalled(before, now, self._rank)
                if stalled:
                    self._end(stalled, speak=all(state[1:] < now[self._rank][1:] for state in now[:self._rank]))

    def _end(self, stalled: str, speak: bool = True) -> NoReturn:
        """Say it, or leave that to another one that waits, and exit: the main thread cannot be interrupted."""
        if speak:
            print(f'error: {stalled} for {self.seconds:.0f} s, and the others wait for it: see what its machine does, then '
                  'continue with --resume; if it is only slow, raise default_hooks.process_watch.seconds',
                  file=sys.stderr, flush=True)
        else:
            time.sleep(3)  # or the launcher stops that one first
        os._exit(1)


def _check_lengths(lengths: list[int]) -> None:
    usual = max(lengths, key=lengths.count)  # of equally frequent ones the first process's
    odd = [rank for rank, length in enumerate(lengths) if length != usual]
    if odd:
        raise UserError(f'process {odd[0]} has epochs of {lengths[odd[0]]} iterations and others of {usual}: '
                        'give all the same data, and their sampler round_up=True')
