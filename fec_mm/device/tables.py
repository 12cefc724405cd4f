"""Rows as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, Any]


def table(rows: Sequence[Row], columns: Mapping[str, str]) -> str:
    """A Markdown table.

    Args:
        rows: Cells by key.
        columns: Their titles by key, in order; those that no row has are left out.
    """
    keys = [key for key in columns if any(row.get(key) is not None for row in rows)]
    lines = [
        [columns[key] for key in keys],
        ['---'] * len(keys),
        *([_cell(row.get(key)) for key in keys] for row in rows),
    ]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ''
    if isinstance(value, float):
        return f'{value:.0f}' if abs(value) >= 100 else f'{value:.3g}'
    return str(value).replace('|', '\\|').replace('\n', ' ')
