"""Names of files in lines, pages and figures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fec_mm.errors import shown


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('a b/ü日本.png', 'a b/ü日本.png'),
        ('a\nb.png', r'a\nb.png'),
        ('a\tb\r.png', r'a\tb\r.png'),
        ('\x1b[31m.png', r'\x1b[31m.png'),
        (os.fsdecode(b'caf\xe9.png'), r'caf\xe9.png'),
        (Path('x/y.png'), 'x/y.png'),
        ('a\u2028b', r'a\u2028b'),
        ('a  b', 'a  b'),
    ],
)
def test_names_are_shown_in_one_line(name: str, expected: str) -> None:
    assert shown(name) == expected
    assert shown(name).encode() and len(shown(name).splitlines()) == 1
