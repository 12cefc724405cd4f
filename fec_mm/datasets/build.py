"""Writing a data set so that it is there whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fec_mm.errors import UserError


def build_once(out_dir: Path, settings: dict[str, Any], write: Callable[[Path], None]) -> bool:
    """Have `write` fill a folder beside `out_dir`, and rename it when it is complete.

    An interrupted run leaves nothing at `out_dir`; the next one starts anew and comes to the same files.

    Args:
        out_dir: Where the data set will be.
        settings: What decides its content, written into it as `settings.json`.
        write: Fills the folder it is given.

    Returns:
        Whether anything was written: not if `out_dir` is there, made with the same settings.

    Raises:
        UserError: `out_dir` is there with other settings, or cannot be written.
    """
    if out_dir.exists():
        record = out_dir / 'settings.json'
        if not record.is_file() or json.loads(record.read_text()) != settings:
            raise UserError(f'{out_dir}: exists and was made otherwise; remove it or choose another --out-dir')
        return False
    part = out_dir.with_name(out_dir.name + '.part')
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        write(part)
        (part / 'settings.json').write_text(json.dumps(settings, indent=2) + '\n')
        part.rename(out_dir)
    except OSError as error:
        raise UserError(f'{out_dir}: cannot be written ({error}); choose another --out-dir or make room') from error
    return True
