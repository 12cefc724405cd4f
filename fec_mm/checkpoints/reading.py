"""Whether a checkpoint file can be read: by torch's weights-only loader, to its last byte."""

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
        path: Of a local file; those with a scheme (http://, s3://, ...) are left to mmengine.
        needed: What it must hold; `RESUMABLE` for a training to continue from it.

    Raises:
        UserError: It does not exist, is damaged, or holds something else than weights and mmengine's records, or not
            what is needed.
    """
    if '://' in path:
        return
    file = Path(path).expanduser()
    if not file.is_file():
        raise UserError(f'checkpoint {path} does not exist: correct the path')
    content = read_checkpoint(file, path, whole=True)
    if not isinstance(content, dict):
        raise UserError(f'checkpoint {path} holds a {type(content).__name__} and no state_dict: use another one')
    missing = [key for key in needed if key not in content]
    if missing:
        raise UserError(
            f'checkpoint {path} has no {", ".join(missing)} and cannot be continued (best_* have weights only): '
            'resume from an epoch_* or iter_*, or start from its weights with --cfg-options load_from='
        )


def read_checkpoint(file: Path, name: str = '', whole: bool = False) -> Any:
    """What is in a checkpoint; tensors stay in the file until they are used.

    Args:
        file: That exists.
        name: What to call it in the error.
        whole: Read it to its last byte, and compare the check sums.

    Raises:
        UserError: It is damaged, or holds something else than weights and mmengine's records.
    """
    name = name or str(file)
    damaged = UserError(DAMAGED.format(name))
    try:
        zipped = zipfile.is_zipfile(file)
        if zipped and whole:
            with zipfile.ZipFile(file) as archive:
                if archive.testzip() is not None:
                    raise damaged
        return torch.load(file, map_location='cpu', weights_only=True, mmap=zipped or None)
    except UnpicklingError as error:
        raise UserError(refusal(name, error, whole=zipped)) from error
    except (UserError, MemoryError):
        raise
    except Exception as error:  # of random bytes, nearly any
        raise damaged from error


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
