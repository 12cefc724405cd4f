"""Writes docs/errors.md from the cases: python -m tests.catalogue.document"""
from __future__ import annotations

from pathlib import Path

from . import annotations, checkpoints, command_line, configs, images, own_data
from .case import Case

DOCUMENT = Path(__file__).parents[2] / 'docs/errors.md'
CATALOGUE = {'Images': images.CASES, 'Annotations': annotations.CASES, 'Own data': own_data.CASES,
             'Checkpoints': checkpoints.CASES, 'Configs': configs.CASES,
             'Command line': command_line.CASES}
HEAD = """# What went wrong

Every tool ends with one line on standard error, `error: ` and what is below, and exit code 1 (2, below the usage, for arguments
that do not exist). A line about something else, or a traceback, is a fault of ours: please report it. Whatever happens, earlier
checkpoints and results are as they were, and nothing half-written is left.

Each entry is a test (`tests/catalogue`), which does the damage and reads the line; … stands for what differs from case to case.
This page is written by `python -m tests.catalogue.document`.
"""


def entry(case: Case) -> str:
    """A case, for a reader."""
    tools = ', '.join(case.tools)
    if case.handled:
        return f'**{case.name}** ({tools})\n\n{case.cause} *Handled:* {case.handled}\n'
    return f'**{case.name}** ({tools})\n\n```text\n{case.says}\n```\n\n{case.cause} *Cure:* {case.cure}\n'


def document() -> str:
    """The whole page."""
    total = sum(map(len, CATALOGUE.values()))
    contents = ', '.join(f'[{title}](#{title.lower().replace(" ", "-")}) ({len(cases)})' for title, cases in CATALOGUE.items())
    parts = [f'{HEAD}\n{total} cases: {contents}.\n']
    for title, cases in CATALOGUE.items():
        parts.append(f'## {title}\n')
        parts += [entry(case) for case in cases]
    return '\n'.join(parts)


if __name__ == '__main__':
    DOCUMENT.write_text(document(), encoding='utf-8')
