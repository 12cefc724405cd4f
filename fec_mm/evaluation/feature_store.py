"""Columns of features on disk, written row by row: as many as the disk holds, whole or not at all, continued after a
stop."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from fec_mm.errors import UserError
from fec_mm.fileio import write_whole

CHUNK = 16_384  # rows copied at a time


class FeatureWriter:
    """Fills a folder with one `.npy` per column, each of `rows` rows.

    The folder is written beside, as `<name>.part`, and renamed by `finish`. A part that was left behind is continued
    where `save` was last called, if its settings are the same, and thrown away if not.

    Args:
        folder: Where the columns will be.
        rows: How many there will be.
        settings: What decides the content.

    Attributes:
        done: how many rows there are.
    """

    def __init__(self, folder: Path, rows: int, settings: Mapping[str, Any]) -> None:
        self.folder, self.rows, self.done = folder, rows, 0
        self.part = folder.with_name(f'{folder.name}.part')
        self._settings = {**settings, 'rows': rows}
        self._columns: dict[str, np.memmap] = {}
        progress = self.part / 'progress.json'
        if progress.is_file():
            saved = json.loads(progress.read_text())
            if saved['settings'] == self._settings:
                self.done = saved['done']
                self._columns = {name: open_memmap(self.part / f'{name}.npy', 'r+') for name in saved['columns']}
                return
        shutil.rmtree(self.part, ignore_errors=True)
        self.part.mkdir(parents=True)

    def append(self, columns: Mapping[str, np.ndarray]) -> None:
        """Write the next rows of every column, n×C or n, at least one.

        Raises:
            UserError: The disk is full.
        """
        for name, values in columns.items():
            if name not in self._columns:
                path = self.part / f'{name}.npy'
                _reserve(path, self.rows * values[0].nbytes)
                self._columns[name] = open_memmap(path, 'w+', values.dtype, (self.rows, *values.shape[1:]))
            self._columns[name][self.done : self.done + len(values)] = values
        self.done += len(next(iter(columns.values())))

    def save(self) -> None:
        """Bring what was appended to the disk."""
        for column in self._columns.values():
            column.flush()
        progress = {'done': self.done, 'columns': list(self._columns), 'settings': self._settings}
        write_whole(self.part / 'progress.json', json.dumps(progress))

    def finish(self) -> None:
        """Rename the part, which has all rows."""
        if self.done != self.rows:
            raise ValueError(f'{self.done} of {self.rows} rows were written')
        self.save()
        self._columns.clear()
        shutil.rmtree(self.folder, ignore_errors=True)
        os.replace(self.part, self.folder)


def _reserve(path: Path, size: int) -> None:
    """Refuse a column that does not fit: a memory map that runs out of disk ends the process without a word.

    Raises:
        UserError: The disk has not that many bytes free.
    """
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise UserError(
            f'{path} needs {size / 2**30:.1f} GiB and {free / 2**30:.1f} are free: make room, or name fewer --layers'
        )


def is_finished(folder: Path, rows: int, settings: Mapping[str, Any]) -> bool:
    """Whether `finish` has been called on a folder with the same settings."""
    progress = folder / 'progress.json'
    return progress.is_file() and json.loads(progress.read_text())['settings'] == {**settings, 'rows': rows}


def read_columns(folder: Path) -> dict[str, np.ndarray]:
    """The columns of a finished folder, as memory maps."""
    names = json.loads((folder / 'progress.json').read_text())['columns']
    return {name: np.load(folder / f'{name}.npy', mmap_mode='r') for name in names}


def join(shards: list[Path], folder: Path, rows: int, settings: Mapping[str, Any]) -> None:
    """Copy finished shards, in their order, into one finished folder, and remove them."""
    shutil.rmtree(folder.with_name(f'{folder.name}.part'), ignore_errors=True)  # never continued: it is quick
    writer = FeatureWriter(folder, rows, settings)
    for shard in shards:
        columns = read_columns(shard)
        length = len(next(iter(columns.values()))) if columns else 0  # of more processes than samples some have none
        for start in range(0, length, CHUNK):
            writer.append({name: values[start : start + CHUNK] for name, values in columns.items()})
    writer.finish()
    for shard in shards:
        shutil.rmtree(shard)
