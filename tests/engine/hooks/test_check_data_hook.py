"""Data sets without content; annotation files are tested with tools/train.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset
from torch import nn

from fec_mm.engine import CheckDataHook
from fec_mm.errors import UserError


class Data(BaseDataset):
    """A data set of given records."""

    def __init__(self, infos: list[dict], ann_file: str = 'a.json') -> None:
        self.infos = infos
        super().__init__(ann_file=ann_file, serialize_data=False, pipeline=[])

    def load_data_list(self) -> list[dict]:
        return self.infos


def runner(dataset: Any) -> Any:
    loader = SimpleNamespace(dataset=dataset)
    return SimpleNamespace(model=nn.Module(), train_dataloader=loader, val_dataloader=loader)


FULL = Data([{'instances': []}, {'instances': [{'bbox': 0}]}])
BARE = Data([{'instances': []}] * 3, 'bare.json')


def test_accepts_data() -> None:
    for dataset in (FULL, Data([{'gt_label': 1}]), RepeatDataset(FULL, 2), ConcatDataset([FULL, FULL])):
        CheckDataHook().before_train(runner(dataset))
        CheckDataHook().before_val(runner(dataset))


@pytest.mark.parametrize('when', ['before_train', 'before_val'])
def test_refuses_none(when: str) -> None:
    for dataset in (ConcatDataset([FULL, BARE]), RepeatDataset(BARE, 2)):
        with pytest.raises(UserError, match=r'bare\.json lists 3 images and no object'):
            getattr(CheckDataHook(), when)(runner(dataset))
    with pytest.raises(UserError, match=r'none\.txt gives no sample'):
        getattr(CheckDataHook(), when)(runner(Data([], 'none.txt')))


def test_objects_that_training_ignores() -> None:
    """A set without any other is refused; of several one may be such, and validation may count them."""
    crowd = Data([{'instances': [{'bbox': 0, 'ignore_flag': 1}]}, {'instances': []}], 'crowd.json')
    with pytest.raises(UserError, match=r'crowd\.json lists only objects that training ignores \(iscrowd, difficult\)'):
        CheckDataHook().before_train(runner(RepeatDataset(crowd, 2)))
    CheckDataHook().before_val(runner(crowd))
    CheckDataHook().before_train(runner(ConcatDataset([crowd, FULL])))
    crowd.infos[1]['instances'].append({'bbox': 0, 'ignore_flag': 0})
    CheckDataHook().before_train(runner(Data(crowd.infos)))


@pytest.mark.parametrize(
    ('name', 'count', 'fits'),
    [
        ('head', 2, True),
        ('head', 3, True),
        ('head', 1, False),
        ('mask_head', 1, False),
        ('rpn_head', 1, True),
        ('auxiliary_head', 1, True),
    ],
)
def test_heads_have_the_classes_of_the_data(name: str, count: int, fits: bool) -> None:
    head = nn.Identity()
    head.num_classes = count
    data = Data([{'gt_label': 1}])
    data._metainfo = {'classes': ('a', 'b')}
    run = runner(RepeatDataset(data, 2))
    run.model = nn.ModuleDict({name: head})
    if fits:
        CheckDataHook().before_train(run)
        return
    with pytest.raises(UserError, match=rf'a\.json has 2 classes and {name} \(Identity\) has num_classes=1: correct'):
        CheckDataHook().before_train(run)


def test_labels_that_only_the_head_ignores() -> None:
    class LoadMap:
        """Has the name of a loading step."""

    data = Data([{'seg_map_path': 'x.png'}])
    data._metainfo, data.ignore_index = {'classes': ('a', 'b')}, 255
    data.pipeline.transforms = [LoadMap()]
    run = runner(data)
    run.model = nn.ModuleDict({'decode_head': nn.Identity(), 'loss': nn.CrossEntropyLoss()})  # the loss ignores -100
    run.model.decode_head.ignore_index = 11
    CheckDataHook().before_train(run)
    assert data.pipeline.transforms[1].ignored == [11, 255]
