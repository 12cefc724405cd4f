"""Label maps and sizes; with the toolboxes' own loading in tests/catalogue."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fec_mm.datasets.sample_checks import CheckSample, check_samples
from fec_mm.errors import UserError


def sample(folder: Path, labels: np.ndarray, **more: Any) -> dict[str, Any]:
    """What mmseg has loaded of a label map."""
    Image.fromarray(labels).save(folder / 'x.png')
    return {
        'img_path': 'x.jpg',
        'seg_map_path': str(folder / 'x.png'),
        'ori_shape': (3, 4),
        'gt_seg_map': labels.astype(np.uint8),
        **more,
    }


@pytest.mark.parametrize('kind', [np.uint8, np.uint16])
def test_accepts_classes_and_ignored(tmp_path: Path, kind: type) -> None:
    labels = np.array([[0, 1, 2, 255]] * 3, dtype=kind)
    results = sample(tmp_path, labels)
    assert CheckSample(3)(results) is results


@pytest.mark.parametrize(('reduced', 'classes'), [(False, '0 to 2'), (True, '1 to 3')])
def test_refuses_other_labels(tmp_path: Path, reduced: bool, classes: str) -> None:
    labels = np.array([[0, 1, 2, 255], [0, 0, 0, 3], [0, 0, 0, 0]], np.uint8)
    with pytest.raises(UserError, match=f'x.png has the label {3 + reduced}, and the classes are {classes} '):
        CheckSample(3)(sample(tmp_path, labels, reduce_zero_label=reduced))


def test_another_ignored_label(tmp_path: Path) -> None:
    labels = np.array([[0, 1, 2, 9]] * 3, np.uint8)
    CheckSample(3, ignored=[9])(sample(tmp_path, labels))
    with pytest.raises(UserError, match='ignored: 9'):
        CheckSample(3, ignored=[9])(sample(tmp_path, np.full((3, 4), 255, np.uint8)))


def test_sizes() -> None:
    CheckSample()(dict(img_path='x.png', ori_shape=(3, 4), height=3, width=4))
    CheckSample()(dict(img_path='x.png'))
    with pytest.raises(UserError, match=r'x\.png has 4×3 pixels and its annotation says 3×4'):
        CheckSample()(dict(img_path='x.png', ori_shape=(3, 4), height=4, width=3))


class LoadThings:
    """Has the name of a loading step."""


def test_is_put_behind_loading_once() -> None:
    dataset = SimpleNamespace(
        pipeline=SimpleNamespace(transforms=[LoadThings(), LoadThings(), 'Resize']),
        ignore_index=7,
        metainfo=dict(classes=('a', 'b')),
    )
    for _ in range(2):
        check_samples(dataset, ignored=[3])
    steps = dataset.pipeline.transforms
    assert [type(step) for step in steps] == [LoadThings, LoadThings, CheckSample, str]
    assert (steps[2].classes, steps[2].ignored) == (2, [3, 7])
    check_samples(SimpleNamespace())  # has no pipeline
