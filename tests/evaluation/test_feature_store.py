"""Features on disk: whole or not at all, and continued after a stop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fec_mm.errors import UserError
from fec_mm.evaluation import feature_store
from fec_mm.evaluation.feature_store import FeatureWriter, is_finished, join, read_columns

SETTINGS = {'layers': ['a']}
VALUES = np.arange(40, dtype=np.float32).reshape(10, 4)
LABELS = np.arange(10)


def rows(start: int, stop: int) -> dict[str, np.ndarray]:
    return {'backbone.a': VALUES[start:stop], 'labels': LABELS[start:stop]}


def test_continues_after_a_stop(tmp_path: Path) -> None:
    folder = tmp_path / 'features'
    writer = FeatureWriter(folder, 10, SETTINGS)
    writer.append(rows(0, 3))
    writer.append(rows(3, 5))
    writer.save()
    writer.append(rows(5, 7))  # lost by the stop
    del writer
    assert not folder.exists() and not is_finished(folder, 10, SETTINGS)
    writer = FeatureWriter(folder, 10, SETTINGS)
    assert writer.done == 5
    with pytest.raises(ValueError, match='5 of 10 rows'):
        writer.finish()
    writer.append(rows(5, 10))
    writer.finish()
    assert is_finished(folder, 10, SETTINGS) and not is_finished(folder, 10, {'layers': ['b']})
    columns = read_columns(folder)
    assert np.array_equal(columns['backbone.a'], VALUES) and np.array_equal(columns['labels'], LABELS)
    assert [path.name for path in tmp_path.iterdir()] == ['features']


def test_a_part_with_other_settings_is_thrown_away(tmp_path: Path) -> None:
    writer = FeatureWriter(tmp_path / 'features', 10, SETTINGS)
    writer.append(rows(0, 5))
    writer.save()
    assert FeatureWriter(tmp_path / 'features', 10, {'layers': ['b']}).done == 0


def test_join(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_store, 'CHUNK', 2)
    shards = []
    for start, stop in ((0, 3), (3, 3), (3, 10)):
        shards.append(tmp_path / f'shard{len(shards)}')
        writer = FeatureWriter(shards[-1], stop - start, SETTINGS)
        if stop > start:
            writer.append(rows(start, stop))
        writer.finish()
    join(shards, tmp_path / 'features', 10, SETTINGS)
    assert np.array_equal(read_columns(tmp_path / 'features')['backbone.a'], VALUES)
    assert is_finished(tmp_path / 'features', 10, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ['features']


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_store.shutil, 'disk_usage', lambda path: type('usage', (), {'free': 2**20}))
    with pytest.raises(UserError, match=r'needs 16\.0 GiB and 0\.0 are free'):
        FeatureWriter(tmp_path / 'features', 2**30, SETTINGS).append(rows(0, 1))
