"""Writes docs/errors.md from the cases: python -m tests.catalogue.document"""

from __future__ import annotations

from pathlib import Path

from . import annotations, checkpoints, command_line, configs, images, own_data
from .case import Case

DOCUMENT = Path(__file__).parents[2] / 'docs/errors.md'
CATALOGUE = {
    'Images': images.CASES,
    'Annotations': annotations.CASES,
    'Own data': own_data.CASES,
    'Checkpoints': checkpoints.CASES,
    'Configs': configs.CASES,
    'Command line': command_line.CASES,
}
HEAD = """# What went wrong

A tool that cannot go on ends with one line on standard error. It begins with `error: `, and says what is wrong, where,
and what to do. The exit code is 1; for arguments that do not exist it is 2, and the line stands below the usage. Some
input is mended or passed over instead: such an entry says *Handled*, the tool goes on, and the exit code is 0. A
traceback, or a line about something else, is a fault of this project: please report it. Earlier checkpoints and results
stay as they were, and nothing half-written is left.

Each entry is a test in `tests/catalogue`, which does the damage and reads the line. A … stands for what differs from
case to case. `python -m tests.catalogue.document` writes this page. [reliability.md](reliability.md) says what
interruptions do, [distributed.md](distributed.md) what other processes do, [custom_dataset.md](custom_dataset.md) how
data should look.
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
    contents = ', '.join(
        f'[{title}](#{title.lower().replace(" ", "-")}) ({len(cases)})' for title, cases in CATALOGUE.items()
    )
    parts = [f'{HEAD}\n{total} cases: {contents}.\n']
    for title, cases in CATALOGUE.items():
        parts.append(f'## {title}\n')
        parts += [entry(case) for case in cases]
    return '\n'.join(parts)


if __name__ == '__main__':
    DOCUMENT.write_text(document(), encoding='utf-8')
