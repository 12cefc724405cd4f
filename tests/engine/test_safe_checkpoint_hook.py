"""What is on the disk at each moment of a training that saves."""
from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

import pytest

from fec_mm.errors import UserError
from fec_mm.fileio import AtomicBackend

from .small import make_runner


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file() and path.suffix != '.py'}  # the dumped config


@pytest.mark.parametrize('keep', [1, 2])
def test_the_old_ones_go_after_the_new_one_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: int) -> None:
    """Of `keep` and of the best one; at each removal the new one has its name, and `last_checkpoint` names it."""
    removed = []

    def remove(_self: AtomicBackend, path: str) -> None:
        assert Path(path).name not in (tmp_path / 'last_checkpoint').read_text()
        kinds = [name.split('_')[0] for name in names(tmp_path)]
        removed.append((Path(path).name, kinds.count('epoch'), kinds.count('best')))
        os.remove(path)

    monkeypatch.setattr(AtomicBackend, 'remove', remove)
    runner = make_runner(tmp_path, epochs=4, checkpoint=dict(max_keep_ckpts=keep, save_best='acc'))
    hook: Any = next(hook for hook in runner.hooks if type(hook).__name__ == 'SafeCheckpointHook')
    scores = iter([0.1, 0.3, 0.2, 0.4])
    saved = hook.after_train_epoch

    def validate(runner: Any) -> None:
        saved(runner)
        runner.train_loop._epoch += 1  # as it is when mmengine validates
        hook.after_val_epoch(runner, dict(acc=next(scores)))
        runner.train_loop._epoch -= 1

    hook.after_train_epoch = validate
    runner.train()
    assert names(tmp_path) == {*(f'epoch_{i}.pth' for i in range(5 - keep, 5)), 'best_acc_epoch_4.pth', 'last_checkpoint'}
    assert [r for r in removed if 'best' in r[0]] == [
        ('best_acc_epoch_1.pth', keep, 2), ('best_acc_epoch_2.pth', keep, 2)]
    assert [r[:2] for r in removed if 'best' not in r[0]] == [(f'epoch_{i}.pth', keep + 1) for i in range(1, 5 - keep)]


def test_a_write_that_fails_is_one_line_and_leaves_the_last(tmp_path: Path) -> None:
    """By a limit on the size of files: the write itself fails, after some bytes, as on a full disk."""
    runner = make_runner(tmp_path)
    (tmp_path / '.epoch_9.pth.123.part').write_bytes(b'of a killed process')
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    after_save = runner.save_checkpoint

    def full(*args: Any, **kwargs: Any) -> None:
        assert not list(tmp_path.glob('.*.part'))
        if runner.epoch == 1:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        after_save(*args, **kwargs)

    runner.save_checkpoint = full
    try:
        with pytest.raises(UserError, match=r'cannot be written into .*epoch_1\.pth is whole; make room'):
            runner.train()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(tmp_path) == {'epoch_1.pth', 'last_checkpoint'}


def test_a_folder_that_became_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: AtomicBackend, _obj: bytes, path: str) -> None:
        raise PermissionError(13, 'Permission denied', str(path))

    monkeypatch.setattr(AtomicBackend, 'put', refuse)
    with pytest.raises(UserError, match=r'written into .*epoch_1\.pth \(Permission denied\): make room, and start again'):
        make_runner(tmp_path).train()
