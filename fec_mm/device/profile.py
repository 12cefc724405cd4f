"""What one pass is made of: kernels launched, and the time of the device against that of the host."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from fec_mm.evaluation.operators import works
from fec_mm.evaluation.timing import in_turn

TOP = 10
COPIES = ('Memcpy', 'Memset')


@dataclass(frozen=True)
class Profile:
    """One pass.

    Args:
        kernels: How many were launched; on a CPU, operators that compute or copy and call no other that does.
        copies: Copies and fills by the driver, which are no kernels.
        device_ms: The sum of their times.
        host_ms: Until the call returns, the device being idle before. Where the device's queue is full the host waits.
        wall_ms: Until the device is done, between two events.
        top: The kernels that take most: name, how often, ms.
        operators: The operators whose own kernels take most, likewise.
    """

    kernels: int
    copies: int
    device_ms: float
    host_ms: float
    wall_ms: float
    top: list[tuple[str, int, float]]
    operators: list[tuple[str, int, float]]


def profile_pass(run: Callable[[], object], device: str, repeats: int = 5) -> Profile:
    """Profile one call, after some that warm up."""
    (wall,) = in_turn([run], device, repeats, warm_up=3)
    host = statistics.median(_host_seconds(run, device) for _ in range(repeats))
    on_gpu = device != 'cpu'
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as profiler:
        run()
        _wait(device)
    events = list(profiler.events() or [])
    done = [
        e for e in events if (e.device_type == DeviceType.CUDA and not e.is_user_annotation if on_gpu else _is_leaf(e))
    ]
    copies = sum(e.name.startswith(COPIES) for e in done)
    times = [(e.name, e.time_range.elapsed_us() / 1000) for e in done]
    averages: Any = profiler.key_averages()
    operators = [
        (a.key, a.count, (a.self_device_time_total if on_gpu else a.self_cpu_time_total) / 1000)
        for a in averages
        if works(a.key)
    ]
    return Profile(
        kernels=len(done) - copies,
        copies=copies,
        device_ms=sum(ms for _, ms in times),
        host_ms=host * 1000,
        wall_ms=wall * 1000,
        top=_largest(times),
        operators=sorted(operators, key=lambda o: -o[2])[: 2 * TOP],
    )


def _is_leaf(event: Any) -> bool:
    return works(event.name) and not any(works(child.name) for child in event.cpu_children)


def _largest(times: Iterable[tuple[str, float]]) -> list[tuple[str, int, float]]:
    total: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for name, ms in times:
        total[name] += ms  # type: ignore[assignment]
        count[name] += 1
    return [(name, count[name], float(ms)) for name, ms in total.most_common(TOP)]


def _wait(device: str) -> None:
    if device != 'cpu':
        torch.cuda.synchronize(device)


def _host_seconds(run: Callable[[], object], device: str) -> float:
    _wait(device)
    start = time.perf_counter()
    run()
    elapsed = time.perf_counter() - start
    _wait(device)
    return elapsed
