"""What the data sets of a config say, before they are built."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from fec_mm.errors import UserError

from .image_suffixes import image_suffixes

OF_FOLDERS = ('CustomDataset', 'ImageNet')  # others may have no `extensions`


def prepare_datasets(cfg: Any) -> None:
    """Check the classes of a config's data sets, and have folders of classes give all their images.

    mmpretrain passes over images that end in `.webp`, `.tiff`, `.jfif` or `.gif` (mmpretrain/datasets/custom.py).

    Args:
        cfg: A full config, changed in place.

    Raises:
        UserError: One name instead of a list of names.
    """
    for dataset in _datasets([cfg.get(f'{part}_dataloader') for part in ('train', 'val', 'test')]):
        for names in (dataset.get('classes'), (dataset.get('metainfo') or {}).get('classes')):
            if isinstance(names, str) and '://' not in names and not os.path.isfile(os.path.expanduser(names)):
                raise UserError(one_name(names))
        kind = dataset['type']
        name = kind if isinstance(kind, str) else f'{kind.__module__.split(".")[0]}.{kind.__name__}'
        if cfg.default_scope == 'mmpretrain' and name.replace('mmpretrain.', '') in OF_FOLDERS:
            dataset.setdefault('extensions', image_suffixes())


def one_name(name: str) -> str:
    """What to say of classes that are a text, whose letters would be the classes."""
    what = 'is neither a list of names nor a file with one in each line'
    return f'metainfo.classes={name!r} {what}: write classes=({name!r}, )'


def _datasets(node: Any) -> Iterator[dict[str, Any]]:
    """The settings of every data set below a part of a config, those inside of wrappers too."""
    if isinstance(node, dict):
        for key in ('dataset', 'datasets'):
            children = node.get(key)
            for child in children if isinstance(children, (list, tuple)) else [children]:
                if isinstance(child, dict) and 'type' in child:
                    yield child
        yield from (found for child in node.values() for found in _datasets(child))
    elif isinstance(node, (list, tuple)):
        yield from (found for child in node for found in _datasets(child))
