"""Superclasses from files, lists and a tiny hierarchy, and the data set made of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from mmengine.registry import DefaultScope
from PIL import Image

from fec_mm.datasets import breeds
from fec_mm.datasets.breeds import FILES, ROOT, Task, derive, read_hierarchy
from fec_mm.datasets.superclass_dataset import SuperclassDataset
from fec_mm.datasets.superclasses import Superclass, load_superclasses, part, shuffled
from fec_mm.errors import UserError

# Root > animal > {fish, bird > duck}, where `duck` is also, one level higher, a child of `animal`; a thing without a
# class in the task; and class 9, which the hierarchy leaves out.
EDGES = [
    (ROOT, 'n1'),
    ('n1', 'n11'),
    ('n1', 'n12'),
    ('n11', 'c1'),
    ('n11', 'c0'),
    ('n11', 'c2'),
    ('n12', 'n13'),
    ('n1', 'n13'),
    ('n13', 'c3'),
    ('n13', 'c4'),
    ('n12', 'c5'),
    (ROOT, 'n2'),
    ('n2', 'n21'),
    ('n21', 'c6'),
    ('n21', 'c7'),
]
TINY = Task('tiny', 2, 'n1', 2, 2)


@pytest.fixture
def hierarchy(tmp_path: Path) -> Path:
    """The three files."""
    nodes = sorted({node for edge in EDGES for node in edge})
    (tmp_path / FILES[0]).write_text(''.join(f'{parent} {child}\n' for parent, child in EDGES))
    (tmp_path / FILES[1]).write_text(''.join(f'{node}\tthe {node}, a node\n' for node in nodes))
    (tmp_path / FILES[2]).write_text(json.dumps([[i, f'c{i}', f'class {i}'] for i in range(10)]))
    return tmp_path


def test_derives_by_the_definition(hierarchy: Path) -> None:
    """Level 2 below n1: n11 and n12, for the longest path to n13 is 3. Drawn by one generator, in sorted order."""
    draw = np.random.RandomState(2)
    drawn = [draw.choice(leaves, 2, replace=False) for leaves in (['c0', 'c1', 'c2'], ['c3', 'c4', 'c5'])]
    found = derive(TINY, read_hierarchy(hierarchy))
    assert found == [
        Superclass(wnid, f'the {wnid}, a node', tuple(int(c[1]) for c in classes))
        for wnid, classes in zip(('n11', 'n12'), drawn)
    ]


@pytest.mark.parametrize(
    ('task', 'wnids'),
    [
        (Task('all', 2, None, 2, 3), ['n11', 'n12', 'n21']),
        (Task('large', 2, None, 3, 2), ['n11', 'n12']),
        (Task('deep', 3, None, 2, 1), ['n13']),
    ],
)
def test_levels_and_sizes(hierarchy: Path, task: Task, wnids: list[str]) -> None:
    tiny = read_hierarchy(hierarchy)
    found = derive(task, tiny)
    assert [s.wnid for s in found] == wnids
    for s in found:
        below = {tiny.classes[n] for n in nx.descendants(tiny.graph, s.wnid) if n in tiny.classes}
        assert set(s.subclasses) <= below and len(set(s.subclasses)) == task.subclasses
        assert max(map(len, nx.all_simple_paths(tiny.graph, ROOT, s.wnid))) == task.level + 1


def test_another_hierarchy_is_refused(hierarchy: Path) -> None:
    with pytest.raises(UserError, match=r'gives living17 0 superclasses instead of 17.*MadryLab/BREEDS-Benchmarks'):
        load_superclasses(dict(task='living17', hierarchy=str(hierarchy)))
    with pytest.raises(UserError, match="no task 'living18': choose one of entity13, entity30, living17, nonliving26"):
        load_superclasses(dict(task='living18', hierarchy=str(hierarchy)))
    with pytest.raises(UserError, match='dict\\(task='):
        load_superclasses(dict(task='living17'))


@pytest.mark.parametrize(('file', 'damage', 'why'), [
    (0, None, 'does not exist'), (1, None, 'does not exist'), (2, None, 'does not exist'),
    (0, lambda text: text[:len(text) // 2], 'damaged'),
    (0, lambda text: text + 'n13 n12\n', 'damaged'),  # a cycle
    (0, lambda text: text.replace(ROOT, 'root'), 'damaged'),
    (0, lambda text: '<html>\n', 'damaged'), (0, lambda text: '', 'damaged'),
    (1, lambda text: text[:len(text) // 2], 'damaged'), (1, lambda text: '', 'damaged'),
    (2, lambda text: text[:len(text) // 2], 'damaged'), (2, lambda text: '{}', 'damaged'),
    (2, lambda text: '[[1, 2]]', 'damaged'),
    (2, lambda text: text.replace('"c4"', '"x4"'), 'damaged'),
])  # yapf: disable
def test_missing_or_damaged_files(hierarchy: Path, file: int, damage: Callable[[str], str] | None, why: str) -> None:
    path = hierarchy / FILES[file]
    if damage is None:
        path.unlink()
    else:
        path.write_text(damage(path.read_text()))
    with pytest.raises(UserError, match=f'{why}.*github.com/MadryLab/BREEDS-Benchmarks') as error:
        read_hierarchy(hierarchy)
    assert '\n' not in str(error.value) and FILES[file] in str(error.value)


def test_tasks_have_the_published_sizes() -> None:
    assert {t.name: t.subclasses * t.superclasses for t in breeds.TASKS.values()} == {
        'entity13': 260,
        'entity30': 240,
        'living17': 68,
        'nonliving26': 104,
    }


def test_shuffle_deals_out_the_same_subclasses() -> None:
    plain = [Superclass('n1', 'a', (4, 5, 6)), Superclass('n2', 'b', (0, 1)), Superclass('n3', 'c', (9, 8, 7, 3))]
    one, again, other = shuffled(plain, 0), shuffled(plain, 0), shuffled(plain, 1)
    assert one == again != other
    assert [len(s.subclasses) for s in one] == [3, 2, 4]
    assert sorted(c for s in one for c in s.subclasses) == [0, 1, 3, 4, 5, 6, 7, 8, 9]
    assert all(s.wnid is None for s in one)


@pytest.mark.parametrize(
    'content',
    [
        '',
        '{',
        '{}',
        '[]',
        '[1]',
        '[{"name": "a"}]',
        '[{"subclasses": []}]',
        '[{"subclasses": ["x"]}]',
        '[{"subclasses": [-1]}]',
        '[{"subclasses": [0, 1]}, {"subclasses": [1]}]',
    ],
)
def test_bad_files(tmp_path: Path, content: str) -> None:
    (tmp_path / 'x.json').write_text(content)
    with pytest.raises(UserError, match=r'x\.json'):
        load_superclasses(str(tmp_path / 'x.json'))
    with pytest.raises(UserError, match=r'breeds\.py writes such a file'):
        load_superclasses(str(tmp_path / 'y.json'))


SUPERCLASSES = [dict(name='left', subclasses=[3, 0]), dict(name='right', subclasses=[2])]


@pytest.fixture
def images(tmp_path: Path) -> dict[str, Any]:
    """The config of a data set of five classes, a to e, with 1 to 5 images whose grey is the class."""
    for label, name in enumerate('abcde'):
        (tmp_path / 'train' / name).mkdir(parents=True)
        for i in range(label + 1):
            Image.fromarray(np.full((8, 8, 3), label, np.uint8)).save(tmp_path / 'train' / name / f'{i}.png')
    pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
    return dict(type='CustomDataset', data_root=str(tmp_path), data_prefix='train', pipeline=pipeline)


def build(**settings: Any) -> Any:
    import mmpretrain  # noqa: F401
    from mmengine.registry import DATASETS

    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return DATASETS.build(dict(type='fec_mm.SuperclassDataset', **settings))


@pytest.mark.parametrize('labels', ['superclass', 'subclass'])
def test_relabels(images: dict[str, Any], labels: str) -> None:
    dataset = build(dataset=images, superclasses=SUPERCLASSES, labels=labels)
    assert isinstance(dataset, SuperclassDataset) and len(dataset) == 4 + 1 + 3
    expected = {3: (0, 0), 0: (0, 1), 2: (1, 2)}  # superclass and subclass by the original class
    for i in range(len(dataset)):
        packed, info = dataset[i], dataset.get_data_info(i)
        sample, (superclass, subclass) = packed['data_samples'], expected[int(packed['inputs'][0, 0, 0])]
        trained = superclass if labels == 'superclass' else subclass
        assert (int(sample.superclass), int(sample.subclass), int(sample.gt_label)) == (superclass, subclass, trained)
        assert (info['superclass'], info['subclass'], info['gt_label']) == (superclass, subclass, trained)
        assert dataset.get_cat_ids(i) == [trained]
    meta = dataset.metainfo
    assert (meta['superclasses'], meta['subclasses'], meta['superclass_of']) == (
        ('left', 'right'),
        ('d', 'a', 'c'),
        (0, 0, 1),
    )
    assert meta['classes'] == meta[f'{labels}es']


def test_shuffled_data_set_has_the_same_images(images: dict[str, Any]) -> None:
    plain, mixed = (build(dataset=images, superclasses=SUPERCLASSES, shuffle=s) for s in (None, 0))
    assert [plain[i]['inputs'].max() for i in range(8)] == [mixed[i]['inputs'].max() for i in range(8)]
    assert sorted(plain.metainfo['subclasses']) == sorted(mixed.metainfo['subclasses'])


def test_bad_settings(images: dict[str, Any]) -> None:
    with pytest.raises(UserError, match='must be one of superclass, subclass'):
        build(dataset=images, superclasses=SUPERCLASSES, labels='both')
    with pytest.raises(UserError, match='class 7 is in a superclass, and the data set has 5 classes'):
        build(dataset=images, superclasses=[dict(subclasses=[7])])
    for image in Path(images['data_root'], 'train/d').iterdir():
        image.unlink()
    with pytest.raises(UserError, match='class 3 is in a superclass and has no image'):
        build(dataset=images, superclasses=SUPERCLASSES)
    images['pipeline'] = [dict(type='LoadImageFromFile')]
    with pytest.raises(UserError, match='end it with PackInputs'):
        build(dataset=images, superclasses=[dict(subclasses=[0, 1])])[0]


def test_source_and_target_are_halves(hierarchy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(breeds.TASKS, 'tiny', TINY)
    named = dict(task='tiny', hierarchy=str(hierarchy))
    whole, source, target = (load_superclasses(named, split=split) for split in (None, 'source', 'target'))
    for all_of_them, first, second in zip(whole, source, target):
        assert first.subclasses + second.subclasses == all_of_them.subclasses
        assert (first.wnid, first.name) == (second.wnid, second.name) == (all_of_them.wnid, all_of_them.name)
    odd = [dict(name='a', subclasses=[4, 1, 3]), dict(name='b', subclasses=[0, 2])]
    assert [s.subclasses for s in load_superclasses(odd, split='source')] == [(4, 1), (0,)]
    assert [s.subclasses for s in load_superclasses(odd, split='target')] == [(3,), (2,)]
    dealt = load_superclasses(odd, shuffle=0)
    assert load_superclasses(odd, 0, 'source')[0].subclasses == dealt[0].subclasses[:2]
    with pytest.raises(UserError, match="split='both' must be"):
        load_superclasses(odd, split='both')
    with pytest.raises(UserError, match='has one subclass'):
        load_superclasses([dict(name='a', subclasses=[4])], split='target')


def test_living17_is_split_as_its_authors_list_it() -> None:
    """The first halves of what is drawn: two rows of the paper's table of Living-17, by ImageNet's class indices."""
    salamander, dog = Superclass(None, 'salamander', (27, 29, 26, 28)), Superclass(None, 'dog', (163, 154, 257, 157))
    assert [s.subclasses for s in part([salamander, dog], 'source')] == [(27, 29), (163, 154)]  # eft, axolotl; ...
    assert [s.subclasses for s in part([salamander, dog], 'target')] == [(26, 28), (257, 157)]
