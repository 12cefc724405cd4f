"""How long training takes on N processes: a model of data-parallel training; the hardware's figures are the user's."""

from __future__ import annotations

import math
from dataclasses import dataclass

ASSUMPTIONS = (
    'Every process computes as fast as one alone, small batches as fast as large ones, and waits for no data. The '
    'backward pass '
    'of a step takes twice as long as its forward pass. Gradients are averaged by a ring all-reduce, once a step, '
    'however many '
    'passes over smaller batches the step consists of. Communication overlaps perfectly with the backward pass and '
    'costs it '
    'nothing. Evaluation, the optimizer and checkpoints take no time.'
)
BACKWARD = 2 / 3  # of the time of a step on one process
BUCKET = 25 * 2**20  # bytes that DistributedDataParallel averages at once


def image_seconds(multiply_adds: float, flops: float, moved: float = 0.0, bandwidth: float = 1.0) -> float:
    """max(3 · 2 · multiply-adds / flops, moved / bandwidth): forward and backward of an image.

    Args:
        multiply_adds: Of an image's forward pass.
        flops: Floating-point operations per second that the processor reaches in training, not its peak.
        moved: Bytes that its operators read and write.
        bandwidth: Bytes per second of the processor's memory.
    """
    return max(3 * 2 * multiply_adds / flops, moved / bandwidth)


@dataclass(frozen=True)
class Network:
    """What carries the gradients.

    Args:
        gradients: Bytes.
        bandwidth: Bytes per second that a process sends while it receives as many ("bus bandwidth").
        latency: Seconds that a message takes beside its bytes.
    """

    gradients: float
    bandwidth: float
    latency: float

    def all_reduce(self, processes: int) -> float:
        """2(N−1)/N · bytes / bandwidth + buckets · 2(N−1) · latency, in seconds."""
        messages = math.ceil(self.gradients / BUCKET) * 2 * (processes - 1)
        return 2 * (processes - 1) / processes * self.gradients / self.bandwidth + messages * self.latency


def step_seconds(computation: float, communication: float) -> float:
    """computation/3 + max(2/3 · computation, communication)."""
    return (1 - BACKWARD) * computation + max(BACKWARD * computation, communication)


@dataclass(frozen=True)
class Step:
    """One step of training on several processes; times in seconds."""

    processes: int
    batch: int
    computation: float
    communication: float

    @property
    def seconds(self) -> float:
        return step_seconds(self.computation, self.communication)


@dataclass(frozen=True)
class Plan:
    """A schedule on a machine.

    Args:
        images: That the schedule shows the model in all.
        image_seconds: That a process takes for one of them.
        network: What carries the gradients.
        total_batch: Images of a step on all processes, or None where `batch` is kept.
        batch: Images of a step on each process.
        host_seconds: That a host takes to launch a step, however many images it has.
    """

    images: int
    image_seconds: float
    network: Network
    total_batch: int | None = None
    batch: int = 1
    host_seconds: float = 0.0

    def step(self, processes: int) -> Step | None:
        """The step on N processes; None where there are more of them than images in the total batch."""
        batch = self.batch if self.total_batch is None else math.ceil(self.total_batch / processes)
        if self.total_batch is not None and processes > self.total_batch:
            return None
        computation = max(batch * self.image_seconds, self.host_seconds)
        return Step(processes, batch, computation, self.network.all_reduce(processes))

    def hours(self, step: Step) -> float:
        total = self.total_batch or step.batch * step.processes
        return math.ceil(self.images / total) * step.seconds / 3600

    def overtaken(self, limit: int = 1024) -> int | None:
        """The smallest number of processes whose communication takes longer than their computation; None: none up to
        `limit`."""
        steps = (self.step(n) for n in range(1, limit + 1))
        return next((s.processes for s in steps if s is not None and s.communication > s.computation), None)
