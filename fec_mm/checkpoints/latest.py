"""The checkpoint that a training continues from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path, PurePath

from fec_mm.errors import UserError

from .reading import RESUMABLE, check_checkpoint, read_checkpoint


def last_checkpoint(
    work_dir: str, template: str = 'epoch_{}.pth', out_dir: str | None = None
) -> tuple[str | None, list[str]]:
    """The checkpoint that `--resume` without a path continues from: the one in `last_checkpoint`, or the newest whole
    one.

    The newest one has the most iterations, by what is in it: clocks go back, and names are anybody's.

    Args:
        work_dir: The folder.
        template: What the training calls its checkpoints now. Others count if they are called `epoch_1.pth` or
            `iter_1.pth`, or as mmengine noted in them.
        out_dir: Of the checkpoint hook, whose files are in a folder in it.

    Returns:
        Its path, None when there is no checkpoint yet; and a line for each that was passed over.

    Raises:
        UserError: There are some, and none can be continued from.
    """
    pointer = Path(work_dir, 'last_checkpoint')
    named = pointer.read_text(errors='replace').strip() if pointer.is_file() else ''
    if '\0' in named:  # a power cut leaves such files
        named = ''
    if '://' in named:
        return named, []
    passed: list[str] = []
    folders = [Path(work_dir), *([Path(out_dir, Path(work_dir).name)] if out_dir and '://' not in out_dir else [])]
    for path in _candidates(folders, named, template):
        try:
            check_checkpoint(path, RESUMABLE)
            return path, [f'{line}; continuing from {path}' for line in passed]
        except UserError as error:
            passed.append(str(error))
    if not passed:
        return None, []
    raise UserError(
        f'none of the {len(passed)} checkpoints of {work_dir} can be continued from ({passed[0]}): '
        'copy one there, or choose another --work-dir to start again'
    )


def _candidates(folders: list[Path], named: str, template: str) -> Iterator[str]:
    """Files to continue from, the best first; damaged ones before it, so that they are named."""
    if named:
        yield named
    # Others are opened only now, also those where the pointer points. The same name first: the whole folder may have
    # been moved.
    places = {folder.resolve() for folder in folders} | ({Path(named).resolve().parent} if named else set())
    found: dict[Path, tuple[bool, float, int]] = {}
    for path in {path for place in places for end in ('.pth', Path(template).suffix) for path in place.glob(f'*{end}')}:
        steps = _iterations(path, template)
        if steps is not None and path != Path(named).resolve():
            number = int((re.findall(r'\d+', path.stem) or [0])[-1])
            found[path] = path.name == Path(named).name, steps, number
    yield from map(str, sorted(found, key=lambda path: found[path], reverse=True))


def _iterations(path: Path, template: str) -> float | None:
    """How far the training was that wrote a checkpoint: infinity when that cannot be read, −1 when it does not say.

    None of a file that is not called like this training's, and does not call itself so either.
    """
    ours = any(
        re.fullmatch(r'\d+'.join(re.escape(part) for part in re.split(r'\{[^{}]*\}', each)), path.name)
        for each in ('epoch_{}.pth', 'iter_{}.pth', template)
    )
    try:
        content = read_checkpoint(path)
    except UserError:
        return math.inf if ours else None
    try:
        if not ours and PurePath(content['message_hub']['runtime_info']['last_ckpt']).name != path.name:
            return None
        return float(content['meta']['iter'])
    except (LookupError, TypeError, ValueError):
        return -1.0 if ours else None
