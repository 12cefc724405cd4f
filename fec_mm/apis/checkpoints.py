"""Checkpoints that are damaged or belong to another model are refused before they cost anybody an hour."""
from __future__ import annotations

import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from fec_mm.errors import UserError

DAMAGED = 'checkpoint {} is damaged or cut short: use another one, or copy it again'
RESUMABLE = ('meta', 'message_hub', 'optimizer')


def check_checkpoint(path: str, needed: tuple[str, ...] = ()) -> None:
    """Make sure that a checkpoint can be read, weights-only and to its last byte.

    Args:
        path: of a local file; those with a scheme (http://, s3://, ...) are left to mmengine.
        needed: what it must hold; `RESUMABLE` for a training to continue from it.

    Raises:
        UserError: it does not exist, is damaged, or holds something else than weights and mmengine's records, or not what
            is needed.
    """
    if '://' in path:
        return
    file = Path(path).expanduser()
    if not file.is_file():
        raise UserError(f'checkpoint {path} does not exist: correct the path')
    damaged = UserError(DAMAGED.format(path))
    try:
        zipped = zipfile.is_zipfile(file)
        if zipped:
            with zipfile.ZipFile(file) as archive:
                if archive.testzip() is not None:
                    raise damaged
        content = torch.load(file, map_location='cpu', weights_only=True, mmap=zipped or None)
    except UnpicklingError as error:
        raise UserError(refusal(path, error, whole=zipped)) from error
    except (UserError, MemoryError):
        raise
    except Exception as error:  # of random bytes, nearly any
        raise damaged from error
    if not isinstance(content, dict):
        raise UserError(f'checkpoint {path} holds a {type(content).__name__} and no state_dict: use another one')
    missing = [key for key in needed if key not in content]
    if missing:
        raise UserError(f'checkpoint {path} has no {", ".join(missing)} and cannot be continued (best_* have weights only): '
                        'resume from an epoch_* or iter_*, or start from its weights with --cfg-options load_from=')


def refusal(path: str, error: UnpicklingError, whole: bool = False) -> str:
    """One line for what torch's weights-only loader does not load, of a file that is `whole` or may be damaged."""
    if not whole and 'Unsupported global' not in str(error) and 'Unsupported class' not in str(error):
        return DAMAGED.format(path)
    what = str(error).split('WeightsUnpickler error: ')[-1].split('. Please use')[0].split('Check the doc')[0]
    return f'checkpoint {path} holds more than weights and is not loaded: {what.strip()}'


def check_pretrained_parts(node: Any) -> None:
    """Check the checkpoints that the `init_cfg`s of a model's config name; raises as `check_checkpoint`."""
    if isinstance(node, dict) and node.get('type') == 'Pretrained':
        check_checkpoint(node['checkpoint'])
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, (list, tuple)) else ():
        check_pretrained_parts(child)


def last_checkpoint(work_dir: str) -> tuple[str | None, list[str]]:
    """The checkpoint that `--resume` without a path continues from: the one in `last_checkpoint`, or the newest whole one.

    Returns:
        Its path, None when there is no checkpoint yet; and a line for each that was passed over.

    Raises:
        UserError: there are some, and none can be continued from.
    """
    pointer = Path(work_dir, 'last_checkpoint')
    named = pointer.read_text(errors='replace').strip() if pointer.is_file() else ''
    if '\0' in named:  # a power cut leaves such files
        named = ''
    if '://' in named:
        return named, []
    # Also where the pointer points, as the hook has an `out_dir`. The same name first: the whole folder may have been moved.
    folders = {Path(work_dir).resolve(), *([Path(named).resolve().parent] if named else [])}
    found = {path for folder in folders for kind in ('epoch', 'iter') for path in folder.glob(f'{kind}_*.pth')}
    found.discard(Path(named).resolve())
    others = sorted(found, key=lambda path: (path.name == Path(named).name, path.stat().st_mtime), reverse=True)
    passed: list[str] = []
    for path in ([named] if named else []) + [str(path) for path in others]:
        try:
            check_checkpoint(path, RESUMABLE)
            return path, [f'{line}; continuing from {path}' for line in passed]
        except UserError as error:
            passed.append(str(error))
    if not passed:
        return None, []
    raise UserError(f'none of the {len(passed)} checkpoints of {work_dir} can be continued from ({passed[0]}): '
                    'copy one there, or choose another --work-dir to start again')
