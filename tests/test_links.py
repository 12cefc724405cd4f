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
TASKS = ('classification', 'detection', 'segmentation')


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
    written = re.findall(r'^```python\n# (\S+)', read(page), flags=re.MULTILINE)  # by the reader
    assert [name for name in named_files(read(page)) if not exists(name) and name not in written] == []


@pytest.mark.parametrize('page', by_name(PAGES).values(), ids=by_name(PAGES))
def test_named_tests_exist(page: Path) -> None:
    lost = [
        f'{file}::{test}'
        for file, test in re.findall(r'(test_\w+\.py)::(\w+)', read(page))
        if not any(f'def {test}(' in path.read_text() for path in ROOT.glob(f'tests/**/{file}'))
    ]
    assert lost == []


def length(settings: dict) -> str:
    """The name of the last checkpoint of a training with this `train_cfg`."""
    if settings.get('max_epochs'):
        return f'epoch_{settings["max_epochs"]}.pth'
    return f'iter_{settings["max_iters"]}.pth'


def commands(text: str) -> list[str]:
    """The lines of code that run a tool, with what follows a backslash."""
    return re.findall(r'^.*\btools/\S+ .*$', text.replace('\\\n', ' '), flags=re.MULTILINE)


def trained(command: str, text: str) -> tuple[str, str] | None:
    """The folder and the last checkpoint of a command that trains with a config of this repository or of the page."""
    found = re.search(r'tools/(?:train\.py|dist_train\.sh) (\S+\.py)', command)
    shown = found and re.search(rf'^# (?:\S*/)?{found[1]}\n(.*?)^```', text, flags=re.MULTILINE | re.DOTALL)
    if found is None or not (shown or (ROOT / found[1]).is_file()):
        return None
    settings = {} if shown else dict(Config.fromfile(ROOT / found[1]).train_cfg)
    if shown:
        settings |= dict(re.findall(r'^(max_iters|max_epochs) = (\d+)', shown[1], flags=re.MULTILINE))
    settings |= dict(re.findall(r'train_cfg\.(max_iters|max_epochs)=(\d+)', command))
    folder = re.search(r'--work-dir (\S+)', command)
    return folder[1] if folder else f'work_dirs/{Path(found[1]).stem}', length(settings)


def wrong_checkpoints(text: str) -> list[str]:
    """The checkpoints in commands, and those of quick starts anywhere, that no training before them leaves."""
    quick = {task: Config.fromfile(ROOT / f'configs/quickstart/{task}.py').train_cfg for task in TASKS}
    left = {f'work_dirs/quickstart/{task}': length(train_cfg) for task, train_cfg in quick.items()}
    wrong = []
    for place in [*re.findall(r'work_dirs/quickstart/\S+', text), *commands(text)]:
        done = trained(place, text)
        if done:
            left[done[0]] = done[1]
        named = re.findall(r'([\w/.-]+)/((?:epoch|iter)_\d+\.pth)', place)
        wrong += [f'{folder}/{name}' for folder, name in named if left.get(folder) != name]
    return wrong


@pytest.mark.parametrize('page', by_name(PAGES).values(), ids=by_name(PAGES))
def test_trainings_leave_the_checkpoints_that_are_named(page: Path) -> None:
    assert wrong_checkpoints(read(page)) == []


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
    text = '    python tools/train.py configs/quickstart/classification.py --work-dir x\n'
    text += '    python tools/test.py configs/quickstart/classification.py x/epoch_12.pth\n'
    assert wrong_checkpoints(text) == []
    assert wrong_checkpoints(text + 'python tools/test.py \\\n  x/epoch_14.pth\n') == ['x/epoch_14.pth']
    assert wrong_checkpoints('`work_dirs/quickstart/detection/epoch_11.pth`') == [
        'work_dirs/quickstart/detection/epoch_11.pth'
    ]
    page = tmp_path / 'page.md'
    page.write_text(
        '# A *b*, `c`!\n## Twice\n## Twice\n[x](#twice-1) `[y](z)` [v](https://w)\n```\n# No heading\n```\n'
    )
    assert anchors(page) == {'a-b-c', 'twice', 'twice-1'}
    assert links(page) == [(page, 'twice-1')]
