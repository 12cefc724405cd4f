"""Checkpoints that are damaged or belong to another model are refused before they cost anybody an hour."""
from __future__ import annotations

import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from fec_mm.errors import UserError


def check_checkpoint(path: str) -> None:
    """Make sure that a checkpoint can be read, weights-only and to its last byte.

    Args:
        path: of a local file; those with a scheme (http://, s3://, ...) are left to mmengine.

    Raises:
        UserError: it does not exist, is damaged, or holds something else than weights and mmengine's records.
    """
    if '://' in path:
        return
    file = Path(path).expanduser()
    if not file.is_file():
        raise UserError(f'checkpoint {path} does not exist: correct the path')
    damaged = UserError(f'checkpoint {path} is damaged or cut short: use another one, or copy it again')
    try:
        zipped = zipfile.is_zipfile(file)
        if zipped:
            with zipfile.ZipFile(file) as archive:
                if archive.testzip() is not None:
                    raise damaged
        content = torch.load(file, map_location='cpu', weights_only=True, mmap=zipped or None)
    except UnpicklingError as error:
        if zipped or 'Unsupported global' in str(error) or 'Unsupported class' in str(error):
            what = str(error).split('WeightsUnpickler error: ')[-1].split('. Please use')[0].split('Check the doc')[0]
            raise UserError(f'checkpoint {path} holds more than weights and is not loaded: {what.strip()}') from error
        raise damaged from error
    except (RuntimeError, EOFError, zipfile.BadZipFile, ValueError, KeyError, OSError) as error:
        raise damaged from error
    if not isinstance(content, dict):
        raise UserError(f'checkpoint {path} holds a {type(content).__name__} and no state_dict: use another one')


def check_pretrained_parts(node: Any) -> None:
    """Check the checkpoints that the `init_cfg`s of a model's config name; raises as `check_checkpoint`."""
    if isinstance(node, dict) and node.get('type') == 'Pretrained':
        check_checkpoint(node['checkpoint'])
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, (list, tuple)) else ():
        check_pretrained_parts(child)


def last_checkpoint(work_dir: str) -> str | None:
    """The checkpoint that `--resume` without a path continues from, or None when there is none yet.

    Raises:
        UserError: `last_checkpoint` names a file that is gone or damaged; the text names the newest others.
    """
    pointer = Path(work_dir, 'last_checkpoint')
    if not pointer.is_file():
        return None
    path = pointer.read_text().strip()
    try:
        check_checkpoint(path)
    except UserError as error:
        others = sorted((p for p in Path(work_dir).glob('*.pth') if p != Path(path)), key=lambda p: p.stat().st_mtime)
        advice = f'--resume {others[-1]}' if others else 'another --work-dir, or delete that file to start again'
        raise UserError(f'{pointer} points to a checkpoint that cannot be used ({error}); try {advice}') from error
    return path
