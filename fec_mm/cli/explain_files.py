"""One line for files and folders that are missing, damaged, or cannot be written."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path
from pickle import UnpicklingError

from fec_mm.errors import shown

from .tracebacks import frames, message

# How to get the data, by the folder that is missing. The layouts are those of the toolboxes' own documentation.
DATA_HINTS = {
    'digits': 'make it with `python tools/dataset_converters/digits.py`',
    'digit_scenes': 'make it with `python tools/dataset_converters/digit_scenes.py`',
    'imagenet': 'unpack ILSVRC2012_img_{train,val}.tar into data/imagenet/{train,val}/<wnid>/*.JPEG (docs/datasets.md)',
    'coco': 'unpack {train,val}2017.zip and annotations_trainval2017.zip into data/coco (docs/datasets.md)',
    'ade': 'unpack ADEChallengeData2016.zip into data/ade (docs/datasets.md)',
}


def explain_files(error: BaseException) -> str | None:
    """What went wrong, and what to do, in one line; None for another kind of exception.

    Args:
        error: A caught exception, with its traceback.
    """
    kinds = (
        _full_disk,
        _unsafe_checkpoint,
        _bad_json,
        _gone_folder,
        _bad_path,
        _bad_encoding,
        _empty_dataset,
        _bad_image,
    )
    return next((line for about in kinds if (line := about(error)) is not None), None)


def _full_disk(error: BaseException) -> str | None:
    """Of what a run cannot do without, such as the files of a metric. Logs can fail; checkpoints have a line of their
    own."""
    if not isinstance(error, OSError) or error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return None
    return (
        f'{error.filename or "a file"} cannot be written ({error.strerror}): '
        'make room and run it again, a training with --resume'
    )


def _unsafe_checkpoint(error: BaseException) -> str | None:
    """torch/serialization.py, of what mmengine/runner/checkpoint.py has fetched from an address; files are checked
    before."""
    loaders = 'torch/hub.py', 'torch/serialization.py'
    if not isinstance(error, UnpicklingError) or not any(
        f.f_code.co_filename.endswith(loaders) for f, _ in frames(error)
    ):
        return None
    from fec_mm.checkpoints.reading import refusal

    names = [
        frame.f_locals['filename'] for frame, _ in frames(error) if isinstance(frame.f_locals.get('filename'), str)
    ]
    return refusal(names[-1] if names else 'of an address', error)


def _bad_json(error: BaseException) -> str | None:
    if not isinstance(error, json.JSONDecodeError):
        return None
    path = next(
        (
            value
            for frame, _ in frames(error)
            for value in list(frame.f_locals.values())
            if isinstance(value, str) and value.endswith('.json') and Path(value).is_file()
        ),
        'an annotation file',
    )
    what = 'is empty' if not error.doc.strip() else f'is not JSON ({message(error)})'
    return f'{path} {what}: write it again'


def _gone_folder(error: BaseException) -> str | None:
    """Of a file that a run wanted to write, the folder that was there when it began
    (mmengine/visualization/vis_backend.py)."""
    if not isinstance(error, FileNotFoundError) or not isinstance(error.filename, str):
        return None
    owners = [frame.f_locals.get(name) for frame, _ in frames(error) for name in ('runner', 'self')]
    work_dirs = {Path(found) for owner in owners if isinstance(found := getattr(owner, 'work_dir', None), str)}
    file = Path(error.filename)
    gone = [folder for folder in file.parents if not folder.exists()]
    if not gone or not any(work_dir in file.parents for work_dir in work_dirs):
        return None
    return (
        f'folder {shown(gone[-1])} is gone, removed or moved while the run wrote into it: '
        'put it back, or give another --work-dir'
    )


def _bad_path(error: BaseException) -> str | None:
    if not isinstance(
        error, (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError)
    ):
        return None
    text = message(error)
    path = (
        shown(os.fsdecode(error.filename))
        if isinstance(error.filename, (str, bytes))
        else next(iter(re.findall(r"'([^']+)'", text)), '')
    )
    if not path:
        return f'{text}{data_hint(text)}'
    what = {
        'FileNotFoundError': 'does not exist',
        'PermissionError': 'must not be read or written',
        'IsADirectoryError': 'is a folder, not a file',
    }.get(type(error).__name__, 'is a file, not a folder')
    return f'{path} {what}{data_hint(path) or ": correct the path"}'


def _bad_encoding(error: BaseException) -> str | None:
    """Python stands for the bytes of a name that are not UTF-8 by halves of surrogate pairs, which no file takes."""
    if not isinstance(error, UnicodeEncodeError) or 'surrogates' not in error.reason:
        return None
    words = re.finditer(r"""[^\s'"]+""", error.object)
    name = next((word[0] for word in words if word.end() > error.start), error.object[error.start : error.end])
    return f'{shown(name)} is no UTF-8: rename the file or folder'


def data_hint(path: str) -> str:
    """How to get the known data set that a missing path belongs to, as the end of a line; empty for others."""
    parts = re.split(r'[/\\\s]+', path)
    hints = [hint for folder, hint in DATA_HINTS.items() if folder in parts]
    return f': {hints[0]}' if hints else ''


def _empty_dataset(error: BaseException) -> str | None:
    """mmengine/dataset/base_dataset.py, `_serialize_data`, of no samples; mmpretrain's CustomDataset, of no files."""
    if 'need at least one array to concatenate' not in message(error) and not (
        isinstance(error, RuntimeError) and message(error).startswith('Found 0 files')
    ):
        return None
    for frame, _ in frames(error):
        dataset = frame.f_locals.get('self')
        if dataset is not None and hasattr(dataset, 'ann_file') and hasattr(dataset, 'data_prefix'):
            prefixes = [str(p) for p in dict(dataset.data_prefix).values() if p]
            where = str(dataset.ann_file or '') or ', '.join(prefixes)
            return (
                f'{where} gives no sample to {type(dataset).__name__}: '
                'check the annotations, metainfo.classes, the image folder and filter_cfg'
            )
    return None


def _bad_image(error: BaseException) -> str | None:
    """mmcv/transforms/loading.py, `LoadImageFromFile`."""
    match = re.match(r'failed to load image: (.+)', message(error), re.DOTALL)
    return f'{shown(match[1])} is not a readable image: replace it' if match else None
