"""One line for what a user can put right, from the exceptions of torch, mmengine and the toolboxes."""

from __future__ import annotations

import difflib
import errno
import json
import linecache
import os
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from pickle import UnpicklingError
from types import FrameType

from fec_mm.errors import UserError, shown

from .explain_data import explain_data
from .explain_processes import explain_processes

# How to get the data, by the folder that is missing. The layouts are those of the toolboxes' own documentation.
DATA_HINTS = {
    'digits': 'make it with `python tools/dataset_converters/digits.py`',
    'digit_scenes': 'make it with `python tools/dataset_converters/digit_scenes.py`',
    'imagenet': 'unpack ILSVRC2012_img_{train,val}.tar into data/imagenet/{train,val}/<wnid>/*.JPEG (docs/datasets.md)',
    'coco': 'unpack {train,val}2017.zip and annotations_trainval2017.zip into data/coco (docs/datasets.md)',
    'ade': 'unpack ADEChallengeData2016.zip into data/ade (docs/datasets.md)',
}
# What torch says when layers that were configured apart do not fit together.
MISFITS = (
    (
        r'mat1 and mat2 shapes cannot be multiplied.*|expected input\[.*?\] to have \d+ channels.*|running_mean '
        r'should .*',
        'does not fit what comes before it: compare in_channels, out_channels, out_indices and num_classes in the '
        'config',
    ),
    (r'takes images of at least .*', 'that is what Resize and pad_size_divisor of the config leave of them'),
    (r'Target -?\d+ is out of bounds.*', 'a label exceeds the classes of the head: correct num_classes or the labels'),
)
# Functions under which a deliberate exception is about the config: builders of the registries, hooks before the start.
SETTING_UP = re.compile(r'build_\w*from_cfg|from_cfg|build_dataloader|before_\w+|import_from_location')


def explain(error: BaseException) -> str | None:
    """What went wrong, where, and what to do, in one line.

    Args:
        error: A caught exception, with its traceback.

    Returns:
        The line, or None for an exception that is not a known mistake of the user: it keeps its traceback.
    """
    if isinstance(error, UserError):
        return _one_line(_message(error))
    line = explain_processes(error, _message(error)) or explain_data(
        error, _message(error), [f for f, _ in _frames(error)]
    )
    if line is not None:
        return _one_line(line)
    for about in (
        _full_disk,
        _unsafe_checkpoint,
        _unknown_type,
        _missing_package,
        _bad_json,
        _gone_folder,
        _bad_path,
        _bad_encoding,
        _empty_dataset,
        _bad_image,
        _misfit,
        _missing_setting,
        _bad_setting,
    ):
        line = about(error)
        if line is not None:
            return _one_line(line)
    return None


def _one_line(text: str, limit: int = 600) -> str:
    text = ' '.join(filter(None, map(str.strip, text.splitlines())))
    return text if len(text) <= limit else f'{text[: limit - 4]} ...'


def _message(error: BaseException) -> str:
    """The text of an exception, without what loader workers and mmengine wrap around it."""
    text = str(error.args[0]) if len(error.args) == 1 else str(error)
    if 'Original Traceback' in text:  # torch/_utils.py, ExceptionWrapper: the worker's traceback is the message
        text = re.split(r'^\w[\w.]*: ', text.split('Original Traceback')[1], flags=re.MULTILINE)[-1]
    return re.sub(r'^class `(\w+)` in \S+: ', r'\1: ', text).strip()  # mmengine < 0.8, build_from_cfg


def _frames(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    """Frames and their line numbers, innermost first."""
    return reversed(list(traceback.walk_tb(error.__traceback__)))


def _line(frame: FrameType, number: int) -> str:
    return linecache.getline(frame.f_code.co_filename, number, frame.f_globals).strip()


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
        f.f_code.co_filename.endswith(loaders) for f, _ in _frames(error)
    ):
        return None
    from fec_mm.checkpoints.reading import refusal

    names = [
        frame.f_locals['filename'] for frame, _ in _frames(error) if isinstance(frame.f_locals.get('filename'), str)
    ]
    return refusal(names[-1] if names else 'of an address', error)


def _unknown_type(error: BaseException) -> str | None:
    """mmengine/registry/build_functions.py; of optimizers mmengine/optim/optimizer/default_constructor.py."""
    match = re.match(r'(\S+) is not in the (?:(\w+)::)?(\w[\w ]*) registry', _message(error))
    if isinstance(error, KeyError) and match is not None:
        kind, scope, name = match.groups()
    elif isinstance(error, TypeError) and _message(error) == 'None is not a callable object':
        configs = [frame.f_locals['optimizer_cfg'] for frame, _ in _frames(error) if 'optimizer_cfg' in frame.f_locals]
        if not configs:
            return None
        kind, scope, name = configs[0]['type'], None, 'optimizer'
    else:
        return None
    known = _registered(name, scope, kind)
    last = kind.rsplit('.', 1)[-1].lower()
    close = [n for n in known if n.rsplit('.', 1)[-1].lower() == last] or difflib.get_close_matches(kind, known, n=1)
    return f"type='{kind}' in the config is no {name} of {scope or 'mmengine'}" + (
        f": did you mean '{close[0]}'?" if close else ': correct it, or name its package in custom_imports'
    )


def _registered(name: str, scope: str | None, kind: str) -> list[str]:
    """The names a registry and its parents know; for a `kind` with a scope, also those of that scope."""
    from mmengine import registry

    names: list[str] = []
    for root in vars(registry).values():
        if not isinstance(root, registry.Registry):
            continue
        for child in root.children.values():
            if name in (root.name, child.name):
                prefix = '' if child.scope == scope else f'{child.scope}.'
                if not prefix or kind.startswith(prefix):
                    names += [prefix + key for key in child.module_dict]
        if name == root.name or any(child.name == name and child.scope == scope for child in root.children.values()):
            names += root.module_dict
    return names


def _missing_package(error: BaseException) -> str | None:
    if not isinstance(error, ModuleNotFoundError):
        return None
    if error.name == 'mmcv._ext':
        return (
            'mmcv was built without its operators: rebuild it beside the installed torch, '
            'pip install --no-build-isolation --force-reinstall --no-deps mmcv'
        )
    if error.name == 'pkg_resources':
        return "setuptools is too new for mmengine, it has no pkg_resources: pip install 'setuptools<81'"
    return None


def _bad_json(error: BaseException) -> str | None:
    if not isinstance(error, json.JSONDecodeError):
        return None
    path = next(
        (
            value
            for frame, _ in _frames(error)
            for value in list(frame.f_locals.values())
            if isinstance(value, str) and value.endswith('.json') and Path(value).is_file()
        ),
        'an annotation file',
    )
    what = 'is empty' if not error.doc.strip() else f'is not JSON ({_message(error)})'
    return f'{path} {what}: write it again'


def _gone_folder(error: BaseException) -> str | None:
    """Of a file that a run wanted to write, the folder that was there when it began
    (mmengine/visualization/vis_backend.py)."""
    if not isinstance(error, FileNotFoundError) or not isinstance(error.filename, str):
        return None
    owners = [frame.f_locals.get(name) for frame, _ in _frames(error) for name in ('runner', 'self')]
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
    text = _message(error)
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
    if 'need at least one array to concatenate' not in _message(error) and not (
        isinstance(error, RuntimeError) and _message(error).startswith('Found 0 files')
    ):
        return None
    for frame, _ in _frames(error):
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
    match = re.match(r'failed to load image: (.+)', _message(error), re.DOTALL)
    return f'{shown(match[1])} is not a readable image: replace it' if match else None


def _misfit(error: BaseException) -> str | None:
    if not isinstance(error, (RuntimeError, IndexError, ValueError)):
        return None
    normalising = re.search('preprocessor', module_path(error), re.IGNORECASE)
    if normalising and 'must match the size of tensor' in _message(error):
        return f'{module_path(error)}: {_message(error)}: give mean and std one number, or one for each channel'
    for pattern, advice in MISFITS:
        match = re.search(pattern, _message(error))
        where = module_path(error) if match else ''
        if match and where:
            return f'{where}: {match[0]}: {advice}'
    return None


def module_path(error: BaseException) -> str:
    """Name and settings of the innermost layer in whose forward an exception arose; empty when there was none."""
    from torch.nn import Module

    modules = [m for frame, _ in _frames(error) if isinstance(m := frame.f_locals.get('self'), Module)]
    if not modules:
        return ''
    inner, outer = modules[0], modules[-1]
    name = next((name for name, module in outer.named_modules() if module is inner), '')
    settings = inner.extra_repr() if not any(inner.children()) else ''
    path = f'{type(outer).__name__}.{name}' if name else type(outer).__name__
    return f'{path} ({type(inner).__name__}{": " if settings else ""}{settings})'


def _missing_setting(error: BaseException) -> str | None:
    """mmengine/config/config.py, `ConfigDict.__missing__` and `__getattr__`."""
    match = re.search(r"'ConfigDict' object has no attribute '(\w+)'", _message(error))
    if isinstance(error, KeyError):
        match = re.fullmatch(r"'?(\w+)'?", _message(error))
        if not any(frame.f_code.co_name == '__missing__' for frame, _ in _frames(error)):
            return None
    if not isinstance(error, (AttributeError, KeyError)) or match is None:
        return None
    owners = (
        type(frame.f_locals['self']).__name__
        for frame, _ in _frames(error)
        if 'self' in frame.f_locals and not isinstance(frame.f_locals['self'], dict)
    )
    return f"{next(owners, 'the model')} needs '{match[1]}' from the config, which does not have it: add it"


def _bad_setting(error: BaseException) -> str | None:
    """An exception raised on purpose, or a wrong argument, while mmengine builds what the config says.

    Raised on purpose: by a `raise` or `assert` statement. Others, which just happened there, are bugs.
    """
    frames = list(_frames(error))
    if not frames or not any(SETTING_UP.fullmatch(frame.f_code.co_name) for frame, _ in frames):
        return None
    frame, number = frames[0]
    kinds = (AssertionError, ValueError, TypeError, KeyError, RuntimeError)
    on_purpose = isinstance(error, kinds) and _line(frame, number).startswith(('raise', 'assert'))
    # Also of a class that passes arguments on to its base.
    arguments = isinstance(error, TypeError) and (
        frame.f_code.co_name.endswith('from_cfg') or _line(frame, number).startswith('super().__init__(')
    )
    if not on_purpose and not arguments:
        return None
    text = _message(error) or _line(frame, number)
    owner = type(frame.f_locals['self']).__name__ if 'self' in frame.f_locals else ''
    return f'{owner + ": " if owner and owner not in text else ""}{text}{data_hint(text) or " (correct the config)"}'
