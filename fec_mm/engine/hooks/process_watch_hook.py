"""Processes that train together find out which of them the others wait for, and which of them hangs."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from datetime import timedelta
from itertools import count
from typing import Any, NoReturn

import torch.distributed as torch_dist
from mmengine.dist import all_gather_object, get_dist_info
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch.distributed import TCPStore
from torch.nn.parallel import DistributedDataParallel

from fec_mm.errors import UserError
from fec_mm.registry import HOOKS

from ..whereabouts import (
    BUSY,
    DONE,
    ELSEWHERE,
    FETCHING,
    FINISHED,
    FORWARD,
    STEP,
    State,
    describe_all,
    find_stalled,
    look,
    name_stalled,
)

NOBODY = 'process 0, or the launcher beside it, does not run at all'  # one of them holds the store
SETTINGS = {
    BUSY: 'default_hooks.process_watch.seconds',
    FETCHING: 'default_hooks.process_watch.loading_seconds',
    ELSEWHERE: 'env_cfg.dist_cfg.timeout',
}  # to be raised


@HOOKS.register_module()
class ProcessWatchHook(Hook):
    """Say which process keeps the others waiting, and end a training in which one hangs, before torch's timeout would.

    Each process tells the others where it is, through the store that the process group was made with: what it does is
    read from its stack, and within a pass it counts the model's parts and SyncBNs that were entered, and gradients.
    When one does not move it looks at all. When nobody has moved for `warn_seconds`, a line names the processes that
    are behind, and another one after twice, four times, ... as long. When nobody has moved for much longer, and one is
    behind that the others wait for, a last line names it, and the processes exit, upon which the launcher stops the
    rest. How long depends on what is being done, by any of them:

    - passes, the optimizer's step, and hooks, of whomever: `seconds`;
    - loading: `loading_seconds`, as storage comes back more often than anything else;
    - saving, validating, and anything when the model is compiled: until shortly before torch gives up waiting
      (`env_cfg.dist_cfg.timeout`, 10 minutes with NCCL and 30 with gloo by default).

    A process that does not run at all is told by its silence; one that saves or validates is not judged by that, as it
    may hold Python's lock. Whoever was suspended as a whole begins to count anew. All of it happens in threads.
    Processes whose epochs have different lengths, which would wait for each other at the end, are refused at the start.

    Args:
        seconds: After which a training ends in which nobody moves.
        warn_seconds: After which it is said.
        loading_seconds: `seconds`, while one loads data.
    """

    priority = 'LOWEST'

    def __init__(self, seconds: float = 300.0, warn_seconds: float = 45.0, loading_seconds: float = 330.0) -> None:
        self.warn_seconds = warn_seconds
        self.limits = {BUSY: seconds, FETCHING: max(seconds, loading_seconds)}
        self.tick, self.pause = (
            min(1.0, warn_seconds / 20),
            min(10.0, warn_seconds / 3),
        )  # of a look; until silence tells
        self._progress, self._validating = 0, False
        self._state = FINISHED
        self._since, self._judged = 0.0, 0.0  # when it last moved, and was last looked at
        self._ended, self._wake, self._told = threading.Event(), threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._tell, self._watch)]
        self._asking: float | None = None  # since when
        self._heard: tuple[float, list[State]] | None = None  # when, and the answer
        self._beats: dict[int, tuple[int, float]] = {}  # by rank, the last one, and when it was first heard
        self._warnings = 0  # since somebody moved

    def before_train(self, runner: Runner) -> None:
        """Compare the lengths of epochs, and begin to watch.

        Raises:
            UserError: They differ.
        """
        self._rank, self._world = get_dist_info()
        self._every = 1 + self._world // 64  # beats from one question to the next: each is for the states of all
        if self._world == 1:
            return
        epochs = isinstance(runner.train_loop, EpochBasedTrainLoop)
        _check_lengths(all_gather_object(len(runner.train_dataloader) if epochs else 0))  # after which all are there
        self._runner, self._thread = runner, threading.get_ident()
        self.pause += 2 * (self._every - 1) * self.tick
        self.limits[ELSEWHERE] = max(*self.limits.values(), 0.95 * _timeout(runner))
        if runner.cfg.get('compile'):  # now and then for minutes, and its parts are not known
            self.limits[BUSY] = self.limits[ELSEWHERE]
        self._handles = [] if runner.cfg.get('compile') else self._count_progress(runner.model)
        self._since = self._judged = time.monotonic()
        self._look(self._since)
        for thread in self._threads:
            thread.start()

    def _count_progress(self, model: Any) -> list[Any]:
        """Count the model's parts that are entered, and the gradients; returns the handles of what does."""
        if not isinstance(model, DistributedDataParallel):
            return []

        def advance(*_: Any) -> None:  # a function, so that a model can still be copied
            self._progress += 1

        meeting = (m for m in model.modules() if re.search('Sync.*BatchNorm', type(m).__name__))  # torch's and mmcv's
        handles = [part.register_forward_pre_hook(advance) for part in {*model.module.children(), *meeting}]
        return handles + [p.register_post_accumulate_grad_hook(advance) for p in model.parameters() if p.requires_grad]

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self._progress = 0

    def before_val(self, runner: Runner) -> None:
        self._progress, self._validating = 0, True
        self._speak_up()

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._progress += 1

    def after_val(self, runner: Runner) -> None:
        self._progress, self._validating = 0, False
        self._speak_up()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        self._speak_up()

    def _speak_up(self) -> None:
        """Let the others know at once that this process saves or validates, when it may hold Python's lock, or no
        longer does."""
        if self._threads[0].is_alive():
            self._look(time.monotonic())
            self._told.clear()
            self._wake.set()
            self._told.wait(1.0)  # and not for long, in case the store is not there

    def after_train(self, runner: Runner) -> None:
        """Watch no more, and be watched no more."""
        if self._world > 1:
            self._ended.set()
            self._wake.set()
            for thread in self._threads:  # they refer to the runner, which must go before the process group does
                thread.join(1.0)
            for handle in self._handles:
                handle.remove()

    def _look(self, now: float) -> None:
        """Note where this process is."""
        doing = look(sys._current_frames().get(self._thread), self._validating)
        counted = FORWARD <= doing.part <= STEP or self._validating
        progress = self._progress if counted else doing.batch
        self._note(State(0, self._runner.iter, doing.part, progress, doing.kind, doing.words), now)

    def _note(self, state: State, now: float) -> None:
        if (state.place, state.words) != (self._state.place, self._state.words):
            self._since = now
        self._state = state._replace(still=now - self._since)

    def _tell(self) -> None:
        """A thread: tell the others, and ask them when `_watch` wants to know. It may be blocked by whoever holds the
        store."""
        address, port = os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT'])
        keys = [f'fec_mm/at/{rank}' for rank in range(self._world)]
        try:
            # A connection of its own: the group's would be blocked for everybody else when its other end is stopped.
            store = TCPStore(address, port, is_master=False, wait_for_workers=False, timeout=timedelta(days=1))
            for beat in count():
                called = self._wake.is_set()
                self._wake.clear()
                ended = self._ended.is_set()
                state = FINISHED if ended else self._state._replace(beat=beat)
                store.set(keys[self._rank], state.encode())
                if self._asking is not None and beat % self._every == 0:
                    self._heard = time.monotonic(), [State.decode(text) for text in store.multi_get(keys)]
                if called:
                    self._told.set()
                if ended:
                    return
                self._wake.wait(self.tick)
        except RuntimeError:  # the store went away with the process that held it, whose end the launcher reports
            self._ended.set()

    def _watch(self) -> None:
        """A thread: look whether this process moves, and if it does not, at the others. It waits for nobody."""
        while not self._ended.wait(self.tick):
            self._judge(time.monotonic())

    def _judge(self, now: float) -> None:
        """Look at this process, and at the others when it stands still; warn, end, or do nothing."""
        if now - self._judged > self.pause:  # all of it was suspended, and continues
            self._since, self._asking = now, None
        self._judged = now
        self._look(now)
        still = self._state.still
        if still < self.pause / 2 or self._state.kind == DONE:
            self._asking, self._warnings = None, 0
        elif self._asking is None:
            self._asking, self._heard, self._beats = now, None, {}
        elif now - (self._heard[0] if self._heard else self._asking) >= self.pause:
            speaks = self._rank == 1 or os.environ.get('LOCAL_RANK', '0') == '0'  # nobody knows of the others
            self._report(still, max(BUSY, self._state.kind), NOBODY, speaks)
        elif self._heard:
            self._judge_all(now, self._heard[1], early=now - self._asking < self.pause)

    def _judge_all(self, now: float, states: list[State], early: bool) -> None:
        """Of all processes; `early`: who is silent cannot be told yet."""
        for rank, state in enumerate(states):
            if self._beats.get(rank, (-1, 0.0))[0] != state.beat:
                self._beats[rank] = state.beat, now
        if early:
            return
        silent = [now - self._beats[rank][1] for rank in range(self._world)]
        still = min(state.still + seconds for state, seconds in zip(states, silent) if state.kind != DONE)
        running = [state.kind == DONE or seconds < 0.7 * self.pause for state, seconds in zip(states, silent)]
        stalled = find_stalled(states, running)
        kinds = {state.kind for state in states}
        who = name_stalled(stalled) if stalled else describe_all(states)
        here = [rank for rank in range(self._world) if running[rank] and states[rank].kind != DONE]
        self._report(still, max(kinds) if stalled and DONE not in kinds else None, who, here[:1] == [self._rank])

    def _report(self, still: float, kind: int | None, who: str, speaks: bool) -> None:
        """Warn or end when it is time to.

        Args:
            still: Seconds for which nobody has moved.
            kind: Of what is done that may take longest; None: nobody is known to wait for another.
            who: Is behind, and in what.
            speaks: Whether this process is the one to say it.
        """
        if kind is not None and still >= self.limits[kind]:
            self._end(
                f'{who} for {still:.0f} s, and the others wait for it: see what its machine does, then continue with '
                f'--resume; if it is only slow, raise {SETTINGS[kind]}',
                speaks,
            )
        if still < self.warn_seconds:
            self._warnings = 0
        elif still >= self.warn_seconds * 2**self._warnings:
            while still >= self.warn_seconds * 2**self._warnings:
                self._warnings += 1
            if speaks:
                then = (
                    ''
                    if kind is None
                    else (
                        ', and the others wait for it; the training goes on when it does, and ends if '
                        f'that lasts {self.limits[kind]:.0f} s'
                    )
                )
                self._say(f'warning: {who} for {still:.0f} s{then}')

    def _say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)  # not by a logger: the main thread may hang with its lock

    def _end(self, what: str, speaks: bool) -> NoReturn:
        """Say it, or leave that to the one that does, and exit: the main thread cannot be interrupted."""
        if speaks:
            self._say(f'error: {what}')
        else:
            time.sleep(3)  # or the launcher stops that one first
        os._exit(1)


def _timeout(runner: Runner) -> float:
    """Seconds after which torch ends a process that waits for others."""
    default = 600.0 if torch_dist.get_backend() == 'nccl' else 1800.0
    return float(runner.cfg.get('env_cfg', {}).get('dist_cfg', {}).get('timeout') or default)


def _check_lengths(lengths: list[int]) -> None:
    usual = max(lengths, key=lengths.count)  # of equally frequent ones the first process's
    odd = [rank for rank, length in enumerate(lengths) if length != usual]
    if odd:
        raise UserError(
            f'process {odd[0]} has epochs of {lengths[odd[0]]} iterations and others of {usual}: '
            'give all the same data, and their sampler round_up=True'
        )
