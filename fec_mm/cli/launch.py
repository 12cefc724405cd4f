"""The start of several processes, and who is waited for when that takes long."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from fec_mm import compat

AFTER = 30.0  # seconds, until it is said who is waited for; and again after twice, four times, ... as long
NAMED = 8  # at most, in a line
# What to do, by who is waited for.
CURES = {
    'node': 'run the same command there, with its own NODE_RANK, and with the NNODES, MASTER_ADDR and PORT of this one',
    'process': 'see what it, its machine and the launcher say',
}


class Place(NamedTuple):
    """Of one of several who meet: the address and the port of the first of them, its own rank, and how many they
    are."""

    address: str
    port: int
    rank: int
    size: int


def launch(argv: Sequence[str] | None = None) -> None:
    """torchrun without its table of failures, which says what other machines it waits for.

    Args:
        argv: Its command line. Default: the process's.
    """
    from torch.distributed.run import parse_args, run

    args = parse_args(argv)
    waiting: Any = contextlib.nullcontext()
    # With another kind of rendezvous, or where their number may change, it is not known who is to come.
    if args.nnodes.isdigit() and int(args.nnodes) > 1 and args.rdzv_backend == 'static' and not args.rdzv_endpoint:
        node = Place(args.master_addr, int(args.master_port or 29500), int(args.node_rank), int(args.nnodes))
        waiting = naming_the_missing('node', lambda: node)
    with waiting:
        run(args)


@contextlib.contextmanager
def process_group(launcher: str, **dist_cfg: Any) -> Iterator[None]:
    """`compat.distributed`, which says what other processes it waits for.

    Args:
        launcher: none, pytorch, slurm or mpi.
        dist_cfg: `env_cfg.dist_cfg` of the config.
    """
    with contextlib.ExitStack() as waiting:
        if launcher != 'none':
            waiting.enter_context(naming_the_missing('process', _this_process))
        with compat.distributed(launcher, **dist_cfg):
            waiting.close()
            yield


def _this_process() -> Place | None:
    """As soon as its launcher's variables are there: those of Slurm and MPI are translated by mmengine."""
    try:
        rank, size, port = (int(os.environ[name]) for name in ('RANK', 'WORLD_SIZE', 'MASTER_PORT'))
        return Place(os.environ['MASTER_ADDR'], port, rank, size)
    except (KeyError, ValueError):
        return None


@contextlib.contextmanager
def naming_the_missing(kind: str, place: Callable[[], Place | None], after: float = AFTER) -> Iterator[None]:
    """Say on standard error who has not come, until all have, or until the end of the context.

    They find each other in the store that torch makes, and that the first of them holds. Nothing waits for that.

    Args:
        kind: Node or process.
        place: Says where they meet, as soon as that is known.
        after: Seconds until it is said, and again after twice, four times, ... as long.
    """
    ended = threading.Event()
    threading.Thread(target=_call_the_roll, args=(kind, place, after, ended), daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _call_the_roll(kind: str, place: Callable[[], Place | None], after: float, ended: threading.Event) -> None:
    begun, said, store, trouble = time.monotonic(), 0, None, ''
    while not ended.wait(min(1.0, after / 5)):
        here = place()
        if here is None:
            continue
        try:
            if store is None:
                store, trouble = _connect(here)
            keys = [f'fec_mm/{kind}/{rank}' for rank in range(here.size)]
            if store:
                store.set(keys[here.rank], 'here')
                if store.check(keys):  # all of them
                    return
            seconds = time.monotonic() - begun
            if seconds >= after * 2**said:
                said += 1
                missing = [rank for rank, key in enumerate(keys) if not store.check([key])] if store else []
                if store and not missing:  # the last one has just come
                    return
                line, speaks = _say(kind, here, missing, trouble)
                if speaks and not ended.is_set():
                    print(f'warning: {line}, for {seconds:.0f} s: {CURES[kind]}', file=sys.stderr, flush=True)
        except RuntimeError:  # the store is gone, and whoever held it has said why
            return


def _connect(here: Place) -> tuple[Any, str]:
    """A connection to the store, or None and why there is none. torch would try for long, and say so many times."""
    from torch.distributed import TCPStore

    try:
        asyncio.run(asyncio.wait_for(_knock(here), 3))
        return TCPStore(
            here.address, here.port, is_master=False, wait_for_workers=False, timeout=timedelta(seconds=30)
        ), ''
    except (OSError, asyncio.TimeoutError) as error:
        number = re.search(r'\[Errno (\d+)\]', str(error))
        return None, os.strerror(int(number[1])) if number else getattr(error, 'strerror', None) or 'no answer in time'
    except RuntimeError:
        return None, 'something else listens there'


async def _knock(here: Place) -> None:
    _, writer = await asyncio.open_connection(here.address, here.port)
    writer.close()


def _say(kind: str, here: Place, missing: list[int], trouble: str) -> tuple[str, bool]:
    """What there is to say, and whether this one says it: of those who have come the first, or one of each machine."""
    if not missing:
        who = f'this is {kind} 0, and its own' if here.rank == 0 else f'{kind} {here.rank} waits for {kind} 0, whose'
        line = f'{who} address, MASTER_ADDR={here.address}, does not answer at port {here.port} ({trouble})'
        return line, kind == 'node' or os.environ.get('LOCAL_RANK', '0') == '0'
    more = f' and {len(missing) - NAMED} more' if len(missing) > NAMED else ''
    names = ', '.join(str(rank) for rank in missing[:NAMED]) + more
    first = next(rank for rank in range(here.size) if rank not in missing)
    return f'waiting for {kind} {names} of {here.size} (counted from 0)', first == here.rank
