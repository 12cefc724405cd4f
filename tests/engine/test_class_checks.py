"""Classes of data, heads and checkpoints; with whole trainings in tests/catalogue."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from fec_mm.engine import class_checks
from fec_mm.engine.class_checks import (
    check_checkpoint_names,
    check_one_hot,
    check_spare_outputs,
    check_validation_names,
    checkpoint_classes,
    labels_are_classes,
)
from fec_mm.errors import UserError


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is warned of."""
    lines: list[str] = []
    monkeypatch.setattr(class_checks, 'warn', lines.append)
    return lines


def data(*names: str, **attributes: Any) -> Any:
    return SimpleNamespace(metainfo=dict(classes=names), ann_file='a.json', **attributes)


def folders(*names: str) -> Any:
    """As mmpretrain's, whose folders are its classes."""
    return data(*names, folder_to_idx={name: i for i, name in enumerate(names)})


def coco(*names: str) -> Any:
    return data(*names, cat2label={i + 1: i for i in range(len(names))})


def model(name: str, count: int, **others: Any) -> nn.Module:
    head = nn.Identity()
    head.num_classes = count
    built = nn.ModuleDict({name: head})
    for key, value in others.items():
        setattr(built, key, value)
    return built


def test_other_outputs_than_classes(warned: list[str]) -> None:
    ap = SimpleNamespace(cat_ids=None)
    for name, count in (('bbox_head', 3), ('rpn_head', 80), ('auxiliary_head', 80)):
        check_spare_outputs(coco(*'abc'), model(name, count), [ap])
    check_spare_outputs(coco(), model('bbox_head', 80), [ap])
    assert warned == []
    with pytest.raises(
        UserError,
        match=r'a\.json has 4 classes \(a, b, c, \.\.\.\) and bbox_head \(Identity\) has '
        'num_classes=80: set num_classes=4',
    ):
        check_spare_outputs(coco(*'abcd'), model('bbox_head', 80), [ap])
    check_spare_outputs(coco(*'abc'), model('bbox_head', 80))
    check_spare_outputs(folders(*'abc'), model('head', 1000), [SimpleNamespace()])
    assert [('num_classes=80' in line, 'num_classes=1000' in line) for line in warned] == [(True, False), (False, True)]


def test_models_that_read_names_have_outputs_of_their_own(warned: list[str]) -> None:
    for reader in ('language_model', 'text_backbone'):
        check_spare_outputs(
            coco(*'abc'), model('bbox_head', 256, **{reader: nn.Identity()}), [SimpleNamespace(cat_ids=None)]
        )
    assert warned == []
    with pytest.raises(UserError):
        check_spare_outputs(
            coco(*'abc'), model('bbox_head', 256, context=nn.Identity()), [SimpleNamespace(cat_ids=None)]
        )


@pytest.mark.parametrize(
    ('onehot', 'count', 'fits'), [(True, 10, True), (True, 1000, False), (True, None, True), (False, 1000, True)]
)
def test_one_hot_labels(onehot: bool, count: int | None, fits: bool) -> None:
    built = model('head', 10)
    built.data_preprocessor = nn.Identity()
    built.data_preprocessor.to_onehot, built.data_preprocessor.num_classes = onehot, count
    for whole in (built, nn.DataParallel(built)):
        if fits:
            check_one_hot(data(), whole)
            continue
        with pytest.raises(
            UserError, match=r'head \(Identity\) has num_classes=10 and data_preprocessor has num_classes=1000'
        ):
            check_one_hot(data(), whole)
        check_one_hot(data(get_data_info=lambda i: {'gt_score': [0.5, 0.5]}), whole)
    check_one_hot(data(), nn.Identity())


def test_the_same_names_pass(warned: list[str]) -> None:
    check_validation_names(folders(*'ab'), folders(*'ab'), True)
    check_validation_names(folders(*'ab'), data(), True)
    check_checkpoint_names((), folders(*'ab'), 'test', strict=True)
    assert warned == []


def test_where_labels_are_classes() -> None:
    from mmpretrain.evaluation import Accuracy, RetrievalRecall

    ap = SimpleNamespace(cat_ids=None)
    assert labels_are_classes(model('head', 2), [Accuracy()])
    assert labels_are_classes(model('bbox_head', 2), [SimpleNamespace(), ap])
    assert not labels_are_classes(model('bbox_head', 2, language_model=nn.Identity()), [ap])
    assert not labels_are_classes(model('head', 2), [RetrievalRecall(topk=1)])  # of other classes than the training


@pytest.mark.parametrize('kind', [folders, coco])
def test_a_class_of_two_numbers(kind: Any, warned: list[str]) -> None:
    with pytest.raises(
        UserError,
        match=r"'c' is class 1 of val_dataloader \(a\.json\) and class 2 of train_dataloader "
        r'\(a\.json\): give both the same classes in the same order',
    ):
        check_validation_names(kind(*'abc'), kind(*'ac'), True)
    with pytest.raises(
        UserError, match=r"'c' is class 1 of test_dataloader \(a\.json\) and class 2 of the checkpoint: "
    ):
        check_checkpoint_names(('a', 'b', 'c'), kind(*'ac'), 'test', strict=True)
    assert warned == []
    check_checkpoint_names(('a', 'b', 'c'), kind(*'ac'), 'train', strict=False)
    check_validation_names(kind(*'abc'), kind(*'ac'), False)
    assert len(warned) == 2


@pytest.mark.parametrize(
    ('train', 'val'),
    [
        (folders(*'abc'), folders(*'ab')),  # of the last class there is nothing to validate
        (folders('cat', 'dog'), folders('val_cat', 'val_dog')),
        (data(*'ab'), data(*'ba')),  # numbers are in a file, and names beside them
        (folders('n01', 'n02'), data('tench', 'goldfish')),
    ],
)
def test_what_may_be_right_is_warned_of(train: Any, val: Any, warned: list[str]) -> None:
    check_validation_names(train, val, True)
    assert len(warned) == 1
    check_checkpoint_names(train.metainfo['classes'], val, 'test', strict=True)
    assert len(warned) == 2


def test_folders_under_other_names_decide_nothing(warned: list[str]) -> None:
    """ImageNet's are called n01440764, and its classes tench."""
    train, val = folders(*'ab'), folders(*'ba')
    for dataset in (train, val):
        dataset.folder_to_idx = {'x': 0, 'y': 1}
    check_validation_names(train, val, True)
    assert len(warned) == 1


def test_classes_of_a_checkpoint() -> None:
    assert checkpoint_classes({}) == checkpoint_classes({'meta': {'dataset_meta': None}}) == ()
    assert checkpoint_classes({'meta': {'dataset_meta': {'classes': ['a', 'b']}}}) == ('a', 'b')
    assert checkpoint_classes({'meta': {'CLASSES': ('a', 'b')}}) == ('a', 'b')
