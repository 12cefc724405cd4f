"""What the pages point to is there: links, headings, files, tests, and the checkpoints of the quick starts."""

from __future__ import annotations

import re
from collections import Counter
from itertools import product
from pathlib import Path

import pytest
from mmengine.config import Config

ROOT = Path(__file__).parents[1]
FRONT = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md']
PAGES = [ROOT / name for name in FRONT] + sorted(ROOT.glob('docs/**/*.md')) + sorted(ROOT.glob('configs/**/README.md'))
FENCE = re.compile(r'^```.*?^```', flags=re.MULTILINE | re.DOTALL)
CODE = re.compile(r'^```.*?^```|^    .*?$|`[^`\n]+`', flags=re.MULTILINE | re.DOTALL)
LINK = re.compile(r'\]\(([^)\s]+)\)')
NAMED = re.compile(r'(?<![\w./-])(?:\.\./fec_mm/)?((?:configs|tools|tests|docs|fec_mm)/[\w./*{},-]*)')
PLACEHOLDER = re.compile(r'\b(?:CONFIG|MODEL|NAME|TASK)\b')
MADE = {'fec_mm/.mim'}  # by `pip wheel`


def read(page: Path) -> str:
    return page.read_text(encoding='utf-8')


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    seen: Counter[str] = Counter()
    found = set()
    for title in re.findall(r'^#+ (.*)$', FENCE.sub('', read(page)), flags=re.MULTILINE):
        text = re.sub(r'\[([^]]*)\]\([^)]*\)', r'\1', title).strip().lower()
        slug = re.sub(r'[^\w\- ]', '', text).replace(' ', '-')
        found.add(f'{slug}-{seen[slug]}' if seen[slug] else slug)
        seen[slug] += 1
    return found


def links(page: Path) -> list[tuple[Path, str]]:
    """The files that a page's relative links lead to, each with its anchor."""
    targets = [target for target in LINK.findall(CODE.sub('', read(page))) if not re.match(r'\w+:', target)]
    return [
        ((page.parent / path).resolve() if path else page, anchor)
        for path, _, anchor in (target.partition('#') for target in targets)
    ]


def alternatives(pattern: str) -> list[str]:
    """`a/{b,c}.py` as `a/b.py` and `a/c.py`."""
    parts = re.split(r'{([^{}]*)}', pattern)
    return [
        ''.join(choice) for choice in product(*(part.split(',') if i % 2 else [part] for i, part in enumerate(parts)))
    ]


def named_files(text: str) -> list[str]:
    """The paths of this repository that code on a page names."""
    found = NAMED.findall(' '.join(CODE.findall(text)))
    return [path.rstrip('.,') for name in found for path in alternatives(PLACEHOLDER.sub('*', name))]


def ragged(text: str) -> list[str]:
    """The rows of tables that have not as many cells as the line that begins their table."""
    found = []
    for table in re.findall(r'(?:^\|.*\n)+', FENCE.sub('', text), flags=re.MULTILINE):
        rows = table.splitlines()
        cells = [len(re.findall(r'(?<!\\)\|', row)) for row in rows]
        found += [row for row, count in zip(rows, cells) if count != cells[0]]
    return found


def exists(path: str) -> bool:
    return path in MADE or (any(ROOT.glob(path)) if '*' in path else (ROOT / path).exists())


def by_name(pages: list[Path]) -> dict[str, Path]:
    return {str(page.relative_to(ROOT)): page for page in pages}


@pytest.mark.parametrize('page', by_name(PAGES).values(), ids=by_name(PAGES))
def test_links_lead_somewhere(page: Path) -> None:
    lost = [
        f'{path}#{anchor}'
        for path, anchor in links(page)
        if not path.exists() or (anchor and path.suffix == '.md' and anchor not in anchors(path))
    ]
    assert lost == []


@pytest.mark.parametrize('page', by_name(PAGES).values(), ids=by_name(PAGES))
def test_rows_of_a_table_are_alike(page: Path) -> None:
    assert ragged(read(page)) == []


@pytest.mark.parametrize('page', by_name(PAGES).values(), ids=by_name(PAGES))
def test_named_files_exist(page: Path) -> None:
    assert [name for name in named_files(read(page)) if not exists(name)] == []


@pytest.mark.parametrize('page', by_name(PAGES).values(), ids=by_name(PAGES))
def test_named_tests_exist(page: Path) -> None:
    lost = [
        f'{file}::{test}'
        for file, test in re.findall(r'(test_\w+\.py)::(\w+)', read(page))
        if not any(f'def {test}(' in path.read_text() for path in ROOT.glob(f'tests/**/{file}'))
    ]
    assert lost == []


@pytest.mark.parametrize('page', by_name(PAGES).values(), ids=by_name(PAGES))
def test_quick_starts_leave_the_checkpoints_that_are_named(page: Path) -> None:
    for task, unit, count in re.findall(r'quickstart/(\w+)/(epoch|iter)_(\d+)\.pth', read(page)):
        loop = Config.fromfile(ROOT / f'configs/quickstart/{task}.py').train_cfg
        assert loop[{'epoch': 'max_epochs', 'iter': 'max_iters'}[unit]] == int(count)


def test_every_page_is_reached_from_the_index() -> None:
    reached, ahead = set(), [ROOT / 'docs/README.md']
    while ahead:
        page = ahead.pop()
        if page not in reached:
            reached.add(page)
            ahead += [path for path, _ in links(page) if path.suffix == '.md']
    assert set(PAGES) - reached == set()


def test_the_checks_see_what_is_wrong(tmp_path: Path) -> None:
    text = '`configs/{quickstart,none}/detection.py`, `tools/*.py`, `fec_mm/gone.py`.\n\n'
    text += '    python ../fec_mm/tools/lost.py A\n'
    assert [name for name in named_files(text) if not exists(name)] == [
        'configs/none/detection.py',
        'fec_mm/gone.py',
        'tools/lost.py',
    ]
    assert ragged('| a | b |\n|---|---|\n| `c \\| d` | e |\n| f | g | h |\n') == ['| f | g | h |']
    page = tmp_path / 'page.md'
    page.write_text(
        '# A *b*, `c`!\n## Twice\n## Twice\n[x](#twice-1) `[y](z)` [v](https://w)\n```\n# No heading\n```\n'
    )
    assert anchors(page) == {'a-b-c', 'twice', 'twice-1'}
    assert links(page) == [(page, 'twice-1')]
