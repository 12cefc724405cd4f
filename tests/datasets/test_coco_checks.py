"""Run lengths against pycocotools, and what a COCO file may be."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fec_mm.datasets.coco_checks import check_coco, run_lengths
from fec_mm.errors import UserError

MASKS = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=60), elements=st.integers(0, 1))


def encode(mask: np.ndarray) -> str:
    coco = pytest.importorskip('pycocotools.mask')
    text: str = coco.encode(np.asfortranarray(mask))['counts'].decode()
    return text


def runs(mask: np.ndarray) -> list[int]:
    """Down the columns, zeros first."""
    values = mask.flatten(order='F').tolist()
    return [0] * bool(values[0]) + [len(list(group)) for _, group in groupby(values)]


@given(MASKS)
def test_run_lengths_are_those_of_the_mask(mask: np.ndarray) -> None:
    assert run_lengths(encode(mask)) == runs(mask)


def test_long_runs() -> None:
    mask = np.zeros((3000, 2000), np.uint8)
    mask[7:2900, 3] = mask[1:5, 1999] = 1
    assert run_lengths(encode(mask)) == runs(mask)


@given(MASKS.filter(lambda mask: mask.any()), st.data())
def test_no_part_of_the_text_fills_the_mask(mask: np.ndarray, data: Any) -> None:
    text = encode(mask)
    assert sum(run_lengths(text[: data.draw(st.integers(0, len(text) - 1))]) or []) < mask.size


@settings(max_examples=40)
@given(st.text(max_size=40))
def test_any_text_is_survived(text: str) -> None:
    found = run_lengths(text)
    assert found is None or all(isinstance(run, int) for run in found)


def content(**annotation: Any) -> dict[str, list]:
    first = dict(id=5, image_id=1, category_id=2, bbox=[1, 2, 3, 4], area=12, **annotation)
    return {
        'images': [dict(id=1, file_name='a.png', height=6, width=8)],
        'categories': [dict(id=2, name='cat')],
        'annotations': [first],
    }


def test_good_masks() -> None:
    compressed = encode(np.eye(6, 8, dtype=np.uint8))
    for mask in (
        [[1, 1, 5, 1, 5, 5]],
        {'size': [6, 8], 'counts': [40, 8]},
        {'size': [6, 8], 'counts': compressed},
        None,
    ):
        check_coco(content(segmentation=mask), 'a.json')


@pytest.mark.parametrize(
    'mask',
    [
        {},
        {'size': [6, 8]},
        {'size': [8, 6], 'counts': [48]},
        {'size': [6, 8], 'counts': [60, -12]},
        {'size': [6, 8], 'counts': [47]},
        {'size': [6, 8], 'counts': 3},
        {'size': [6, 8], 'counts': ''},
    ],
)
def test_bad_masks(mask: Any) -> None:
    with pytest.raises(UserError, match=r'^a\.json: annotation 5 has'):
        check_coco(content(segmentation=mask), 'a.json')


def test_sizes_are_numbers_where_they_are_needed() -> None:
    for size in ('6', None):
        wanted = content()
        wanted['images'].append(dict(id=2, file_name='b.png', height=size, width=8))
        check_coco(wanted, 'a.json')  # nothing is annotated in it
        wanted['images'][0]['height'] = size
        with pytest.raises(UserError, match=rf'a\.json: image 1 has 8×{size!r} pixels: write numbers'):
            check_coco(wanted, 'a.json')


def test_a_test_set_has_no_annotations() -> None:
    wanted = content()
    del wanted['annotations']
    check_coco(wanted, 'a.json')
