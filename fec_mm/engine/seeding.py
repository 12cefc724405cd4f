"""Random numbers that depend on where a training is, and not on how it got there."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.device import get_device
from torch.utils.data import DataLoader, get_worker_info

STEP, VALIDATION, DATA = range(3)  # what random numbers are for, so that no two streams are the same


def seed_all(*key: int) -> None:
    """Seed torch, numpy and random by a tuple of non-negative integers."""
    a, b = (int(word) for word in np.random.SeedSequence(key).generate_state(2))
    random.seed(a)
    np.random.seed(b)
    if get_device() == 'cpu' or get_worker_info() is not None:
        # `torch.manual_seed` also formats a stack trace for each kind of device that the process has not used yet.
        torch.default_generator.manual_seed(a << 32 | b)
    else:
        torch.manual_seed(a << 32 | b)


class Numbered(int):
    """An index of a data set that knows its epoch, and its position among those that this process draws in the
    epoch."""

    place: tuple[int, int]


class NumberedSampler:
    """A sampler's indices as `Numbered` ones. Everything else is asked of the sampler.

    Args:
        sampler: Of integers.
    """

    def __init__(self, sampler: Any) -> None:
        self.sampler = sampler
        self.skip = 0  # how many indices the next iteration leaves out; their numbers are used up

    def __iter__(self) -> Iterator[Numbered]:
        skip, self.skip = self.skip, 0
        epoch = getattr(self.sampler, 'epoch', 0)
        for position, index in enumerate(self.sampler):
            if position >= skip:
                numbered = Numbered(index)
                numbered.place = epoch, position
                yield numbered

    def __len__(self) -> int:
        return len(self.sampler)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sampler, name)


class SeededFetch:
    """Gets the samples of a batch, after seeding by the place of its first one: as `__getitems__` of a data set.

    So what augmentation draws for a batch is the same in whichever worker it happens, however many there are, however
    far they have read ahead, and whether they were restarted.

    Args:
        dataset: The data set.
        seed: Of the training.
        rank: Of this process.
    """

    def __init__(self, dataset: Any, seed: int, rank: int) -> None:
        self.dataset, self.seed, self.rank = dataset, seed, rank
        self.fetch = getattr(dataset, '__getitems__', None)  # as torch's Subset has

    def __call__(self, indices: Sequence[Numbered]) -> Sequence[Any]:
        seed_all(self.seed, self.rank, DATA, *indices[0].place)
        return self.fetch(indices) if self.fetch else [self.dataset[i] for i in indices]


def seed_batches(loader: DataLoader, seed: int, rank: int) -> NumberedSampler:
    """Make what a loader's data set draws a function of seed, rank, epoch and position; before its iterator is made.

    Args:
        loader: With a batch sampler that draws from its `sampler`.
        seed: Of the training.
        rank: Of this process.

    Returns:
        The sampler that the batches are drawn from, now.
    """
    batches: Any = loader.batch_sampler
    if not isinstance(batches.sampler, NumberedSampler):
        batches.sampler = NumberedSampler(batches.sampler)
        loader.dataset.__getitems__ = SeededFetch(loader.dataset, seed, rank)  # type: ignore[attr-defined]
    sampler: NumberedSampler = batches.sampler
    return sampler
