"""The index of models agrees with the READMEs, and names every config; what it states of one is tested in
test_recipes.py."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from mmengine.fileio import load
from modelindex.load_model_index import load as load_index

from .test_recipes import ALL, CONFIGS

ROOT = CONFIGS.parent
METAFILES = [ROOT / path for path in load(ROOT / 'model-index.yml')['Import']]
MODELS = {model['Name']: model for metafile in METAFILES for model in load(metafile)['Models']}


def metrics(model: dict[str, Any]) -> dict[str, float]:
    return {name: value for result in model.get('Results', []) for name, value in result['Metrics'].items()}


def test_index_follows_the_standard() -> None:
    index = load_index(str(ROOT / 'model-index.yml'))
    index.check(silent=False)
    assert {collection.name for collection in index.collections} == {model.in_collection for model in index.models}
    for collection in index.collections:
        assert (ROOT / collection.readme).is_file()


def test_every_config_is_in_a_metafile_and_vice_versa() -> None:
    assert sum(len(load(metafile)['Models']) for metafile in METAFILES) == len(MODELS)  # no name twice
    assert {name: ROOT / model['Config'] for name, model in MODELS.items()} == {path.stem: path for path in ALL}
    assert {path.parent / 'metafile.yml' for path in ALL} == set(METAFILES)
    for metafile in METAFILES:
        assert {(ROOT / model['Config']).parent for model in load(metafile)['Models']} == {metafile.parent}


def test_nothing_claims_to_be_reproduced() -> None:
    """Until somebody trains one, which must change this test."""
    assert all(name.endswith('reported)') for model in MODELS.values() for name in metrics(model))
    assert not any('Weights' in model for model in MODELS.values())


def rows(readme: Path) -> dict[str, dict[str, str]]:
    """The cells of a README's table by config and column."""
    lines = [
        line.strip('| ').split(' | ')
        for line in readme.read_text(encoding='utf-8').splitlines()
        if line.startswith('| ')
    ]
    table = {}
    for cells in lines[1:]:
        name, target = re.fullmatch(r'\[(.+)\]\((.+)\)', cells[0]).groups()
        assert (readme.parent / target).stem == name
        assert (readme.parent / target).is_file()
        table[name] = dict(zip(lines[0][1:], cells[1:]))
    return table


@pytest.mark.parametrize('metafile', METAFILES, ids=lambda path: '/'.join(path.parts[-3:-1]))
def test_readme_agrees(metafile: Path) -> None:
    table = rows(metafile.with_name('README.md'))
    assert list(table) == [model['Name'] for model in load(metafile)['Models']]
    for name, cells in table.items():
        assert cells.pop('parameters') == f'{MODELS[name]["Metadata"]["Parameters"]:,}'
        reported = {
            column: float(cell) for column, cell in cells.items() if column.endswith('reported)') and cell != '–'
        }
        assert reported == metrics(MODELS[name])
        assert [cell for column, cell in cells.items() if column.endswith('reproduced')] == ['–']


def test_links_of_readmes_lead_somewhere() -> None:
    for readme in [
        ROOT / 'README.md',
        *(ROOT / 'docs').rglob('*.md'),
        *(path.with_name('README.md') for path in METAFILES),
    ]:
        for target in re.findall(r'\]\(([^)#:]+)(?:#[^)]*)?\)', readme.read_text(encoding='utf-8')):
            assert (readme.parent / target).exists(), f'{readme}: {target}'
