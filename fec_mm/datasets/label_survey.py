"""Which labels the label maps of a data set hold, and what becomes of them: a shift by one is seen, and a class that is
nowhere.

Shapes: label maps are H×W; a value is what the file holds, a label what the pipeline makes of it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from .leaves import class_names, where

MAPS, SECONDS = 200, 5.0  # are enough to see what labels mean, and short beside a training
SHOWN = 40


@dataclass
class Survey:
    """Pixels of each value and label.

    Attributes:
        name: of the data set.
        classes: their names.
        ignored: labels that do not count.
        total: label maps of the data set.
        maps: how many of them were read.
        pixels: by value and label.
    """

    name: str
    classes: tuple[str, ...]
    ignored: frozenset[int]
    total: int
    maps: int = 0
    pixels: Counter[tuple[int, int]] = field(default_factory=Counter)

    @property
    def absent(self) -> list[int]:
        """Classes without a pixel."""
        found = {label for _, label in self.pixels}
        return [label for label in range(len(self.classes)) if label not in found]

    @property
    def ignored_labels(self) -> list[int]:
        """Labels that occur, do not count, and are no classes."""
        return sorted(
            label for label in {label for _, label in self.pixels} & self.ignored if label >= len(self.classes)
        )

    def read(self) -> str:
        """What was read, in words."""
        return (
            f'{self.name}: {self.total} label maps'
            if self.maps == self.total
            else f'{self.name}: {self.maps} of {self.total} label maps'
        )

    def found(self) -> str:
        """Values, the names of what they become, and their shares of the pixels."""
        total = sum(self.pixels.values())
        most = sorted(key for key, _ in self.pixels.most_common(SHOWN))
        text = ', '.join(
            f'{value} {self._name(label)} {100 * self.pixels[value, label] / total:.1f} %' for value, label in most
        )
        return text + (f', and {len(self.pixels) - len(most)} rarer ones' if len(self.pixels) > len(most) else '')

    def lacking(self) -> str | None:
        """A line on classes that occur nowhere, or None: also where too few maps were read to tell."""
        absent = self.absent
        if not absent or (self.maps < self.total and len(self.classes) - len(absent) > 1):
            return None
        values = sorted({value for value, _ in self.pixels})
        names = ', '.join(f"'{self.classes[label]}' ({label})" for label in absent[:8]) + ', ...' * (len(absent) > 8)
        ignored = sorted(self.ignored & {label for _, label in self.pixels})
        return (
            f'{self.read()} hold the values {", ".join(map(str, values[:SHOWN]))}'
            f'{", ..." if len(values) > SHOWN else ""}{f" (ignored: {ignored[0]})" if ignored else ""}: nothing of '
            f'class '
            f'{names}: correct the label maps or metainfo.classes if it should be there'
        )

    def _name(self, label: int) -> str:
        return (
            'ignored' if label in self.ignored else self.classes[label] if label < len(self.classes) else 'of no class'
        )


def survey_labels(leaf: Any, ignored: Iterable[int] = (), maps: int = MAPS, seconds: float = SECONDS) -> Survey | None:
    """Read label maps of a data set, evenly spread.

    Args:
        leaf: A built data set of mmseg.
        ignored: Labels that do not count, beside those that the data set knows of.
        maps: How many at most.
        seconds: After which to stop.

    Returns:
        None where there are no label maps, or no names. A map that cannot be read is passed over: whoever trains on it
        says so.
    """
    steps = [step for step in getattr(getattr(leaf, 'pipeline', None), 'transforms', ()) if _loads_maps(step)]
    classes = class_names(leaf)
    if not steps or not classes or not hasattr(leaf, 'ignore_index'):
        return None
    folder = str((getattr(leaf, 'data_prefix', None) or {}).get('seg_map_path') or where(leaf))
    survey = Survey(folder, classes, frozenset({leaf.ignore_index, *ignored}), len(leaf))
    end = time.monotonic() + seconds
    for i in np.linspace(0, len(leaf) - 1, min(maps, len(leaf)), dtype=int).tolist():
        if time.monotonic() > end:
            break
        try:
            pixels = _pixels(leaf.get_data_info(i), steps)
        except Exception:
            continue
        survey.maps += 1
        survey.pixels.update(pixels)
    return survey if survey.pixels else None


def _loads_maps(step: Any) -> bool:
    name = type(step).__name__
    return name.startswith('Load') and 'Annotation' in name


def _pixels(info: dict[str, Any], steps: list[Any]) -> dict[tuple[int, int], int]:
    """Pixels of one label map by value and label."""
    path = str(info['seg_map_path'])
    for step in steps:
        info = step(info)
    labels = info['gt_seg_map'].astype(np.int64)
    values = labels
    if '://' not in path:
        with Image.open(path) as file:
            values = np.asarray(file).astype(np.int64)
    if labels.max() > 255:
        raise ValueError(f'{path} has labels of more than 8 bits, which mmseg does not load')
    keys = ((values if values.shape == labels.shape else labels) << 8 | labels).ravel()
    if keys.min() >= 0 and keys.max() < 1 << 16:  # many times as fast as sorting
        counts = np.bincount(keys)
        found = np.flatnonzero(counts)
        counts = counts[found]
    else:
        found, counts = np.unique(keys, return_counts=True)
    return {(int(key >> 8), int(key & 0xFF)): int(count) for key, count in zip(found, counts)}
