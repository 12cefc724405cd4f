"""Names and numbers of classes in two lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fec_mm.datasets.class_names import difference

NAMES = st.lists(st.sampled_from('abcdef'), unique=True, max_size=6)


@given(NAMES, NAMES)
def test_contradicts_where_a_label_means_two_classes(first: list[str], second: list[str]) -> None:
    line = difference(first, second, 'A', 'B')
    if not first or not second or first == second:
        assert line is None
    else:
        assert line is not None
        assert line.contradicts == any(name in second and second.index(name) != i for i, name in enumerate(first))


@pytest.mark.parametrize(
    ('first', 'second', 'text'),
    [
        ('abc', 'ac', "'c' is class 2 of A and class 1 of B"),
        ('ab', 'xb', "class 0 is 'a' in A and 'x' in B"),
        ('abc', 'ab', "A has 3 classes and B 2, without 'c'"),
        ('ab', 'abc', "B has 3 classes and A 2, without 'c'"),
    ],
)
def test_says_the_first_difference(first: str, second: str, text: str) -> None:
    line = difference(first, second, 'A', 'B')
    assert line is not None
    assert line.text == text
