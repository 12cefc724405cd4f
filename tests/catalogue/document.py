"""Writes docs/errors.md from the cases: python -m tests.catalogue.document"""

from __future__ import annotations

from pathlib import Path

from . import (
    annotations,
    checkpoints,
    command_line,
    configs,
    images,
    label_maps,
    own_annotations,
    own_data,
    own_images,
    resuming,
)
from .case import Case

DOCUMENT = Path(__file__).parents[2] / 'docs/errors.md'
CATALOGUE = {
    'Images': images.CASES,
    'Annotations': [*annotations.CASES, *label_maps.CASES],
    'Own data': [*own_images.CASES, *own_data.CASES, *own_annotations.CASES],
    'Checkpoints': [*checkpoints.CASES, *resuming.CASES],
    'Configs': configs.CASES,
    'Command line': command_line.CASES,
}
HEAD = """# What went wrong

A tool that cannot go on ends with one line on standard error. The line begins with `error: `, and says what is wrong,
where, and what to do. Search this page for the words behind it.

- The exit code is 1. For arguments that do not exist it is 2, and the line stands below the usage.
- Earlier checkpoints and results stay as they were. Nothing half-written is left.
- Some input is mended or passed over. The tool then goes on, and the exit code is 0. Such input has a second table.
- A traceback, or a line about something else, is a fault of this project. Please report it.

A … in a line stands for what differs from case to case. The commands below the name of a case are those it was tried
with. Each case is a test in `tests/catalogue`, which does the damage and reads the line. The page is written from the
cases by `python -m tests.catalogue.document`.

[reliability.md](reliability.md) says what interruptions do, [distributed.md](distributed.md) what other processes do,
and [custom_dataset.md](custom_dataset.md) how data should look.
"""
ERRORS = ('What is wrong', 'What the line says', 'Why', 'What to do')
HANDLED = ('What comes in', 'Why', 'What becomes of it')


def cell(text: str) -> str:
    """A text within a table, where a bar would begin the next cell."""
    return text.replace('|', r'\|')


def code(text: str) -> str:
    """A text in the type of code, which may have backticks of its own."""
    return f'`` {text} ``' if '`' in text else f'`{text}`'


def table(titles: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table of a page."""
    lines = [titles, ('---',) * len(titles), *rows]
    return ''.join(f'| {" | ".join(map(cell, line))} |\n' for line in lines)


def name(case: Case) -> str:
    return f'**{case.name}**<br>{", ".join(case.tools)}'


def section(title: str, cases: list[Case]) -> str:
    """The cases of a section: the errors, then what is handled."""
    errors = [(name(case), code(case.says), case.cause, case.cure) for case in cases if case.says]
    handled = [(name(case), case.cause, case.handled) for case in cases if case.handled]
    parts = [f'## {title}\n', table(ERRORS, errors)]
    if handled:
        parts += ['No error:\n', table(HANDLED, handled)]
    return '\n'.join(parts)


def document() -> str:
    """The whole page."""
    total = sum(map(len, CATALOGUE.values()))
    contents = ', '.join(
        f'[{title}](#{title.lower().replace(" ", "-")}) ({len(cases)})' for title, cases in CATALOGUE.items()
    )
    sections = [section(title, cases) for title, cases in CATALOGUE.items()]
    return '\n'.join([f'{HEAD}\n{total} cases: {contents}.\n', *sections])


if __name__ == '__main__':
    DOCUMENT.write_text(document(), encoding='utf-8')
