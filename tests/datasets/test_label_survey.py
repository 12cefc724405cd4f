"""What label maps hold, counted another way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmseg.datasets import BaseSegDataset
from PIL import Image

from fec_mm.datasets.label_survey import Survey, survey_labels

CLASSES = ('sky', 'tree', 'road')
SIZE = 10


def data(folder: Path, maps: list[np.ndarray], classes: tuple[str, ...] = CLASSES, **kwargs: Any) -> Any:
    for name in ('images', 'maps'):
        (folder / name).mkdir()
    for i, labels in enumerate(maps):
        Image.fromarray(labels.astype(np.uint8)).save(folder / f'maps/{i:03}.png')
        Image.new('RGB', labels.shape[::-1]).save(folder / f'images/{i:03}.jpg')
    return BaseSegDataset(
        data_root=str(folder),
        data_prefix=dict(img_path='images', seg_map_path='maps'),
        metainfo=dict(classes=classes),
        pipeline=[dict(type='mmseg.LoadAnnotations')],
        **kwargs,
    )


def survey(*args: Any, **kwargs: Any) -> Survey:
    found = survey_labels(*args, **kwargs)
    assert found is not None
    return found


def halves(*values: int) -> np.ndarray:
    """Columns of equal width."""
    return np.repeat(np.array(values), SIZE // len(values))[None].repeat(SIZE, 0)


def test_shares(tmp_path: Path) -> None:
    found = survey(data(tmp_path, [halves(0, 1), halves(0, 2), halves(0, 255), halves(0, 9)]), ignored=[9])
    assert found.found() == '0 sky 50.0 %, 1 tree 12.5 %, 2 road 12.5 %, 9 ignored 12.5 %, 255 ignored 12.5 %'
    assert found.lacking() is None
    assert found.read() == f'{tmp_path}/maps: 4 label maps'


def test_values_of_16_bits(tmp_path: Path) -> None:
    """mmseg keeps the lower 8 bits; whoever trains on them is told."""
    dataset = data(tmp_path, [halves(0, 1)])
    Image.fromarray(halves(0, 257).astype(np.uint16)).save(tmp_path / 'maps/000.png')
    assert survey(dataset).found() == '0 sky 50.0 %, 257 tree 50.0 %'


def test_a_shift_is_seen(tmp_path: Path) -> None:
    found = survey(data(tmp_path, [halves(0, 1, 2, 3, 3)], reduce_zero_label=True))
    assert found.found() == '0 ignored 20.0 %, 1 sky 20.0 %, 2 tree 20.0 %, 3 road 40.0 %'


def test_values_that_leave_classes_out(tmp_path: Path) -> None:
    found = survey(data(tmp_path, [halves(0, 255)] * 3, classes=('ground', 'square')))
    assert found.lacking() == (
        f"{tmp_path}/maps: 3 label maps hold the values 0, 255 (ignored: 255): nothing of class 'square' (1): correct "
        f'the label '
        'maps or metainfo.classes if it should be there'
    )


def test_a_sample_says_no_class_to_be_absent(tmp_path: Path) -> None:
    dataset = data(tmp_path, [halves(0, 1)] * 30 + [halves(0, 2)])
    assert survey(dataset).lacking() is None
    assert survey(dataset, maps=3).lacking() is None
    assert survey(dataset, maps=3).read() == f'{tmp_path}/maps: 3 of 31 label maps'


def test_a_sample_of_one_class_is_said(tmp_path: Path) -> None:
    line = survey(data(tmp_path, [halves(0, 255)] * 30), maps=3).lacking()
    assert line is not None
    assert '3 of 31' not in line
    assert "3 of 30 label maps hold the values 0, 255 (ignored: 255): nothing of class 'tree' (1), 'road' (2)" in line


@pytest.mark.parametrize('damage', [lambda path: path.unlink(), lambda path: path.write_bytes(b'')])
def test_a_map_that_cannot_be_read_is_passed_over(tmp_path: Path, damage: Any) -> None:
    dataset = data(tmp_path, [halves(0, 1), halves(2, 2)])
    damage(tmp_path / 'maps/000.png')
    found = survey(dataset)
    assert (found.maps, found.found()) == (1, '2 road 100.0 %')


def test_nothing_to_survey(tmp_path: Path) -> None:
    dataset = data(tmp_path, [halves(0, 1)])
    assert survey_labels(object()) is None
    assert survey_labels(dataset, maps=0) is None
    dataset._metainfo['classes'] = None
    assert survey_labels(dataset) is None


def test_stops_in_time(tmp_path: Path) -> None:
    assert survey_labels(data(tmp_path, [halves(0, 1)]), seconds=-1) is None
