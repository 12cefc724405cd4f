"""A classification data set whose classes are gathered into superclasses."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.registry import DATASETS as MM_DATASETS

from fec_mm.errors import UserError
from fec_mm.registry import DATASETS

from .superclasses import Source, load_superclasses

LABELS = ('superclass', 'subclass')


@DATASETS.register_module()
class SuperclassDataset:
    """Wraps a classification data set: trains on the superclass labels, and carries the subclass labels along.

    Images of classes that no superclass has are left out. Subclasses are numbered from 0 in the order of the
    superclasses, so that those of superclass 0 come first. Each data sample has both labels, as `superclass` and
    `subclass`, and one of them as `gt_label`. `metainfo` has the names of the trained labels as `classes`, those of
    both as `superclasses` and `subclasses`, and the superclass of each subclass as `superclass_of`.

    Args:
        dataset: A data set of mmpretrain or its config, its pipeline ending in `PackInputs`.
        superclasses: The path of a JSON file as `tools/dataset_converters/breeds.py` writes it, a list like the one in
            such a file, or `dict(task='living17', hierarchy=DIR)`.
        shuffle: A seed to deal out the subclasses to the superclasses at random: unrelated ones. None leaves them.
        labels: What to train on, 'superclass' or 'subclass'.
        split: 'source' or 'target': half of the subclasses of each superclass, after the shuffle; see
            `fec_mm.datasets.superclasses.part`. Default: all.
    """

    def __init__(
        self,
        dataset: Any,
        superclasses: Source,
        shuffle: int | None = None,
        labels: str = 'superclass',
        split: str | None = None,
    ) -> None:
        if labels not in LABELS:
            raise UserError(f"SuperclassDataset: labels='{labels}' must be one of {', '.join(LABELS)}")
        self.labels = labels
        self.dataset = MM_DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.superclasses = load_superclasses(superclasses, shuffle, split)
        names = self.dataset.metainfo.get('classes')
        members = [c for s in self.superclasses for c in s.subclasses]
        if names is not None and max(members) >= len(names):
            raise UserError(
                f'SuperclassDataset: class {max(members)} is in a superclass, and the data set has '
                f'{len(names)} classes: correct superclasses'
            )
        original = np.asarray(
            [self.dataset.get_data_info(i)['gt_label'] for i in range(len(self.dataset))], dtype=np.int64
        )
        # By the original class; -1 for those that are left out.
        self._subclass = np.full(max([*members, *original.tolist()]) + 1, -1)
        self._subclass[members] = np.arange(len(members))
        self._superclass_of = np.repeat(
            np.arange(len(self.superclasses)), [len(s.subclasses) for s in self.superclasses]
        )
        self._indices = np.flatnonzero(self._subclass[original] >= 0)
        missing = set(range(len(members))) - set(self._subclass[original].tolist())
        if missing:
            raise UserError(
                f'SuperclassDataset: class {members[min(missing)]} is in a superclass and has no image: add some, or '
                'leave it out'
            )
        both = {
            'superclasses': tuple(s.name for s in self.superclasses),
            'subclasses': tuple(str(names[c]) if names is not None else str(c) for c in members),
        }
        self.metainfo = {
            **self.dataset.metainfo,
            **both,
            'classes': both[f'{labels}es'],
            'superclass_of': tuple(self._superclass_of.tolist()),
        }

    def __len__(self) -> int:
        return len(self._indices)

    def _labels(self, original: int) -> dict[str, int]:
        subclass = int(self._subclass[original])
        return {'superclass': int(self._superclass_of[subclass]), 'subclass': subclass}

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """What the wrapped data set says of an image, with `gt_label`, `superclass` and `subclass` as they are here."""
        info = self.dataset.get_data_info(int(self._indices[idx]))
        both = self._labels(info['gt_label'])
        return {**info, **both, 'gt_label': both[self.labels]}

    def get_cat_ids(self, idx: int) -> list[int]:
        """The trained label of an image, for samplers that balance classes."""
        return [self.get_data_info(idx)['gt_label']]

    def __getitem__(self, idx: int) -> dict[str, Any]:
        packed = self.dataset[int(self._indices[idx])]
        sample = packed.get('data_samples') if isinstance(packed, dict) else None
        if sample is None:
            raise UserError('SuperclassDataset: the pipeline yields no data_samples; end it with PackInputs')
        # The sample's own label, as the wrapped data set may have put another image in the place of an unreadable one.
        both = self._labels(int(sample.gt_label))
        if both['subclass'] < 0:
            path = self.get_data_info(idx).get('img_path', f'image {idx}')
            raise UserError(f'SuperclassDataset: {path} cannot be read: replace it')
        for name, label in both.items():
            sample.set_field(sample.gt_label.new_tensor([label]), name)
        sample.set_gt_label(both[self.labels])
        return packed
