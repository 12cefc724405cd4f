"""Data sets without content; annotation files are tested with tools/train.py."""
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset

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
    return SimpleNamespace(train_dataloader=loader, val_dataloader=loader)


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
