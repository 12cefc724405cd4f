"""How a pooling layer clusters, as configs say it: the argument `pool` of backbones and layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class PoolSettings:
    """How a pooling layer clusters.

    Args:
        candidates: Which centers a position chooses from: 'near', that of its own 2×2 cell and of the eight cells
            around it; or 'all' of its region, as published. Default: 'near'.
        learn_similarity: Whether a position counts in its representative by sigmoid(β + α·cos), through which the
            similarity learns. Default: True.
        compactness: Of near candidates: what one squared cell of distance to the middle of the center's cell costs,
            beside cosines. Default: 0.055.
        iterations: Of near candidates: how often positions are assigned, after the first time to what the clusters have
            become, as in SLIC. Default: 2.

    Raises:
        ValueError: A value that makes no sense, named.
    """

    candidates: str = 'near'
    learn_similarity: bool = True
    compactness: float = 0.055
    iterations: int = 2

    def __post_init__(self) -> None:
        if self.candidates not in ('near', 'all'):
            raise ValueError(f"pool: candidates={self.candidates!r} must be 'near' or 'all'")
        if not isinstance(self.learn_similarity, bool):
            raise ValueError(f'pool: learn_similarity={self.learn_similarity!r} must be True or False')
        if isinstance(self.compactness, bool) or not isinstance(self.compactness, (int, float)):
            raise ValueError(f'pool: compactness={self.compactness!r} must be a number')
        if not 0 <= self.compactness < float('inf'):
            raise ValueError(f'pool: compactness={self.compactness!r} must be at least 0, and finite')
        if not isinstance(self.iterations, int) or self.iterations < 1:
            raise ValueError(f'pool: iterations={self.iterations!r} must be a whole number of at least 1')

    @classmethod
    def of(cls, pool: Mapping[str, Any] | PoolSettings | None, learn_similarity: bool = False) -> PoolSettings:
        """What a config says.

        Args:
            pool: The settings, or None: as published but for `learn_similarity`.
            learn_similarity: The one of `pool` by itself. Both may say so.

        Raises:
            ValueError: An unknown setting, one that has no effect, or a value that makes no sense, named.
        """
        if isinstance(pool, PoolSettings):
            return pool
        if pool is None:
            return cls('all', learn_similarity)
        names = [field.name for field in fields(cls)]
        unknown = sorted(set(pool) - set(names))
        if unknown:
            raise ValueError(f'pool: no setting {", ".join(unknown)}: there are {", ".join(names)}')
        idle = sorted({'compactness', 'iterations'} & set(pool))
        if pool.get('candidates') == 'all' and idle:
            raise ValueError(f"pool: {', '.join(idle)} has an effect only with candidates='near': leave it out")
        if learn_similarity and pool.get('learn_similarity') is False:
            raise ValueError('pool: learn_similarity is both True and False: leave one of them out')
        return cls(**pool)
