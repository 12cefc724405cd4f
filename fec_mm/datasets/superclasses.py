"""Superclasses: which classes of a data set go together, from a file, a list, or a task of BREEDS."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Union

import numpy as np

from fec_mm.errors import UserError

from .breeds import Superclass, derive, read_hierarchy, task_named

SPLITS = ('source', 'target')
# A JSON file; what is in one; or dict(task='living17', hierarchy=DIR).
Source = Union[str, Sequence[Mapping[str, Any]], Mapping[str, str]]


def load_superclasses(source: Source, shuffle: int | None = None, split: str | None = None) -> list[Superclass]:
    """The superclasses that a config names.

    Args:
        source: The path of a JSON file `[{"name": ..., "subclasses": [class indices]}, ...]` as
            `tools/dataset_converters/breeds.py` writes it; such a list; or `dict(task=..., hierarchy=...)`, a task of
            BREEDS.
        shuffle: The seed with which the subclasses are dealt out anew, see `shuffled`. Default: as they are.
        split: 'source' or 'target', see `part`. Default: all.

    Raises:
        UserError: There is no such file or task, it is no list of superclasses, or a class is in two of them.
    """
    if isinstance(source, Mapping):
        if set(source) != {'task', 'hierarchy'}:
            raise UserError(f'superclasses={dict(source)}: a BREEDS task is dict(task=..., hierarchy=DIR)')
        superclasses, where = derive(task_named(source['task']), read_hierarchy(source['hierarchy'])), source['task']
    elif isinstance(source, str):
        superclasses, where = _parsed(_read(source), source), source
    else:
        superclasses, where = _parsed(source, 'superclasses'), 'superclasses'
    twice = [c for c, n in Counter(c for s in superclasses for c in s.subclasses).items() if n > 1]
    if twice:
        raise UserError(f'{where}: class {twice[0]} is listed twice; a class has one superclass')
    dealt = superclasses if shuffle is None else shuffled(superclasses, shuffle)
    return dealt if split is None else part(dealt, split)


def part(superclasses: Sequence[Superclass], split: str) -> list[Superclass]:
    """Half of the subclasses of each superclass, as BREEDS has them in its random splits: a model learns the source,
    and meets the target as a shift of subpopulations.

    Args:
        superclasses: Their subclasses in the order in which BREEDS draws them.
        split: 'source', the first half, of an odd number the larger one; 'target', the others.

    Raises:
        UserError: It is neither, or a superclass has but one subclass.
    """
    if split not in SPLITS:
        raise UserError(f"split='{split}' must be one of {', '.join(SPLITS)}, or None for all subclasses")
    alone = next((s for s in superclasses if len(s.subclasses) < 2), None)
    if alone is not None:
        raise UserError(f"split='{split}': superclass {alone.name} has one subclass, which has no halves: leave it out")
    halves = [(s, -(-len(s.subclasses) // 2)) for s in superclasses]
    return [
        s._replace(subclasses=s.subclasses[:half] if split == 'source' else s.subclasses[half:]) for s, half in halves
    ]


def shuffled(superclasses: Sequence[Superclass], seed: int) -> list[Superclass]:
    """Superclasses of the same sizes made of the same subclasses, dealt out at random: unrelated ones.

    Their names and ids no longer say what is in them, and are replaced.
    """
    order = iter(np.random.RandomState(seed).permutation([c for s in superclasses for c in s.subclasses]).tolist())
    return [
        Superclass(None, f'unrelated {i}', tuple(next(order) for _ in s.subclasses))
        for i, s in enumerate(superclasses, 1)
    ]


def _read(path: str) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding='utf-8'))
    except OSError as error:
        raise UserError(
            f'superclasses {path}: cannot be read ({error.strerror}); '
            'tools/dataset_converters/breeds.py writes such a file'
        ) from error
    except ValueError as error:
        raise UserError(f'superclasses {path}: is no JSON ({error}); write it anew') from error


def _parsed(items: Any, where: str) -> list[Superclass]:
    form = '[{"name": "fish", "subclasses": [0, 1]}, ...]'
    if not isinstance(items, Sequence) or isinstance(items, str) or not items:
        raise UserError(f'{where}: is no list of superclasses such as {form}')
    found = []
    for i, item in enumerate(items):
        indices = item.get('subclasses') if isinstance(item, Mapping) else None
        if not isinstance(indices, Sequence) or not indices or not all(type(c) is int and c >= 0 for c in indices):
            raise UserError(f'{where}: entry {i} has no class indices; expected {form}')
        found.append(Superclass(item.get('wnid'), str(item.get('name', f'superclass {i}')), tuple(indices)))
    return found
