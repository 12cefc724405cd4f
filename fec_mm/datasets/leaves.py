"""What is inside of a data set that the toolboxes have built, and what to call it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def leaves(dataset: Any) -> Iterator[Any]:
    """The data sets inside of wrappers such as RepeatDataset and ConcatDataset."""
    inner = [dataset.dataset] if hasattr(dataset, 'dataset') else getattr(dataset, 'datasets', [])
    if not inner:
        yield dataset
    for child in inner:
        yield from leaves(child)


def where(leaf: Any) -> str:
    """The annotation file of a data set without wrapper, or else its folder of images, or else its type."""
    prefix = getattr(leaf, 'data_prefix', '')
    return str(
        getattr(leaf, 'ann_file', '')
        or (prefix.get('img_path') if isinstance(prefix, dict) else prefix)
        or type(leaf).__name__
    )


def class_names(dataset: Any) -> tuple[str, ...]:
    """The classes of a data set, in the order of their numbers; of wrappers the outermost one knows. Empty: it names
    none."""
    names = (getattr(dataset, 'metainfo', None) or {}).get('classes') or ()
    return () if isinstance(names, str) else tuple(map(str, names))


def is_numbered_by_name(dataset: Any) -> bool:
    """Whether names of classes decide which number they have: folders of images, and categories of COCO's files.

    Where a file lists numbers, or label maps hold them, a name is only what a number is called.
    """
    for leaf in leaves(dataset):
        folders = getattr(leaf, 'folder_to_idx', None)  # mmpretrain/datasets/custom.py
        if not hasattr(leaf, 'cat2label') and (
            not folders or tuple(folders) != class_names(leaf)
        ):  # mmdet/datasets/coco.py
            return False
    return True
