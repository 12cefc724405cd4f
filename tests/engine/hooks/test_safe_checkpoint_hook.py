"""What is on the disk at each moment of a training that saves."""

from __future__ import annotations

import itertools
import os
import resource
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.runner import Runner

from fec_mm.errors import UserError
from fec_mm.fileio import AtomicBackend
from tests.tools.commands import load

from ..small import make_runner


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file() and path.suffix != '.py'}  # the dumped config


def scored(folder: Path, keep: int, **kwargs: Any) -> Runner:
    """Four epochs whose validations have these scores."""
    runner = make_runner(folder, epochs=4, checkpoint=dict(max_keep_ckpts=keep, save_best='acc'), **kwargs)
    hook: Any = next(hook for hook in runner.hooks if type(hook).__name__ == 'SafeCheckpointHook')
    saved = hook.after_train_epoch

    def validate(runner: Any) -> None:
        saved(runner)
        runner.train_loop._epoch += 1  # as it is when mmengine validates
        hook.after_val_epoch(runner, dict(acc=[0.1, 0.3, 0.2, 0.4][runner.epoch - 1]))
        runner.train_loop._epoch -= 1

    hook.after_train_epoch = validate
    return runner


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
    runner = scored(tmp_path, keep)
    runner.train()
    assert names(tmp_path) == {
        *(f'epoch_{i}.pth' for i in range(5 - keep, 5)),
        'best_acc_epoch_4.pth',
        'last_checkpoint',
    }
    assert [r for r in removed if 'best' in r[0]] == [
        ('best_acc_epoch_1.pth', keep, 2),
        ('best_acc_epoch_2.pth', keep, 2),
    ]
    assert [r[:2] for r in removed if 'best' not in r[0]] == [(f'epoch_{i}.pth', keep + 1) for i in range(1, 5 - keep)]


@pytest.mark.parametrize('count', [1, 2, 4])
def test_a_removal_that_was_cut_off_is_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """That of the best of epoch 1, of epoch_1, or of the best of epoch 2. (The third is before a validation.)"""
    calls = itertools.count(1)

    def remove(_self: AtomicBackend, path: str) -> None:
        if next(calls) == count:
            raise KeyboardInterrupt
        os.remove(path)

    monkeypatch.setattr(AtomicBackend, 'remove', remove)
    with pytest.raises(KeyboardInterrupt):
        scored(tmp_path, 2).train()
    scored(tmp_path, 2, resume=True).train()
    assert names(tmp_path) == {'epoch_3.pth', 'epoch_4.pth', 'best_acc_epoch_4.pth', 'last_checkpoint'}
    assert load(tmp_path / 'epoch_4.pth')['message_hub']['runtime_info']['best_score'] == 0.4


def test_continuing_elsewhere_leaves_the_first_folder_alone(tmp_path: Path) -> None:
    """Its best one too; and where the whole folder was moved, the best one that moved with it goes."""
    first, other, moved = tmp_path / 'first', tmp_path / 'other', tmp_path / 'moved'
    scored(first, 4).train()
    (first / 'best_acc_epoch_4.pth').rename(first / 'best_acc_epoch_2.pth')  # as it was after three epochs
    (first / 'epoch_4.pth').unlink()
    before = names(first)
    shutil.copytree(first, moved)
    for folder in (other, moved):
        runner = scored(folder, 4, resume=True, load_from=str(first / 'epoch_3.pth'))
        runner.train()
    assert names(first) == before
    assert names(other) == {'epoch_4.pth', 'best_acc_epoch_4.pth', 'last_checkpoint'}
    assert names(moved) == {*(f'epoch_{i}.pth' for i in range(1, 5)), 'best_acc_epoch_4.pth', 'last_checkpoint'}


@pytest.mark.parametrize('name', ['..', '.', '', '/', '../precious', 'precious', '/precious.pth'])
def test_a_checkpoint_cannot_have_anything_removed(tmp_path: Path, name: str) -> None:
    """By what it says was outdated or best, when it is continued from."""
    (tmp_path / 'precious').mkdir()
    (tmp_path / 'work/precious').mkdir(parents=True)
    (tmp_path / 'precious.pth').touch()
    scored(tmp_path / 'work', 2).train()
    for path in (tmp_path / 'work').glob('*_4.pth'):
        path.unlink()
    content = load(tmp_path / 'work/epoch_3.pth')
    content['message_hub']['runtime_info'].update(outdated_ckpts=[name], best_ckpt=name)
    torch.save(content, tmp_path / 'work/epoch_3.pth')
    scored(tmp_path / 'work', 2, resume=True, load_from=str(tmp_path / 'work/epoch_3.pth')).train()
    assert (
        (tmp_path / 'precious').is_dir()
        and (tmp_path / 'precious.pth').is_file()
        and (tmp_path / 'work/precious').is_dir()
    )
    assert (tmp_path / 'work/best_acc_epoch_4.pth').is_file()


PRECIOUS = (
    'teacher.pth',
    'epoch_9.pth',
    'epoch_1.pth.pth',
    'best_epoch_9.pth',
    'best_of_all.pth',
    'epoch_x.pth',
    'iter_1.pth',
)


@pytest.mark.parametrize('keep', [2, -1])
@pytest.mark.parametrize('record', ['outdated_ckpts', 'best_ckpt', 'keep_ckpt_ids', 'last_ckpt'])
def test_a_checkpoint_cannot_have_other_checkpoints_removed(tmp_path: Path, record: str, keep: int) -> None:
    """Only those that this training may have written before, by their names; and nobody's are written over."""
    scored(tmp_path, keep).train()
    for path in tmp_path.glob('*_4.pth'):
        path.unlink()
    for name in PRECIOUS:
        (tmp_path / name).write_text(name)
    before = names(tmp_path) - {'last_checkpoint', 'best_acc_epoch_2.pth'}
    content = load(tmp_path / 'epoch_3.pth')
    hostile = {'outdated_ckpts': [*PRECIOUS, 'epoch_3.pth', 7], 'keep_ckpt_ids': ['x', 9, 3, 1.5, True, None] * 2}
    for value in [hostile[record]] if record in hostile else PRECIOUS:
        content['message_hub']['runtime_info'][record] = value
        torch.save(content, tmp_path / 'epoch_3.pth')
        scored(tmp_path, keep, resume=True, load_from=str(tmp_path / 'epoch_3.pth')).train()
        assert all((tmp_path / name).read_text() == name for name in PRECIOUS)
        assert before - {'epoch_2.pth'} <= names(tmp_path) if keep > 0 else before <= names(tmp_path)


@pytest.mark.parametrize('value', [None, 7, 'epoch_1.pth', {'a': 1}, [[]]])
@pytest.mark.parametrize('record', ['outdated_ckpts', 'best_ckpt', 'keep_ckpt_ids', 'last_ckpt'])
def test_records_of_other_types_are_passed_over(tmp_path: Path, record: str, value: object) -> None:
    scored(tmp_path, 2).train()
    content = load(tmp_path / 'epoch_3.pth')
    content['message_hub']['runtime_info'][record] = value
    torch.save(content, tmp_path / 'epoch_3.pth')
    scored(tmp_path, 2, resume=True, load_from=str(tmp_path / 'epoch_3.pth')).train()
    assert (tmp_path / 'epoch_4.pth').is_file()


def test_one_name_for_all(tmp_path: Path) -> None:
    """The new one is not taken for the outdated one."""
    make_runner(tmp_path, checkpoint=dict(filename_tmpl='latest.pth', max_keep_ckpts=1)).train()
    assert load(tmp_path / 'latest.pth')['meta']['epoch'] == 3


def test_a_write_that_fails_is_one_line_and_leaves_the_last(tmp_path: Path) -> None:
    """By a limit on the size of files: the write itself fails, after some bytes, as on a full disk."""
    runner = make_runner(tmp_path)
    (tmp_path / '.epoch_9.pth.99999999.part').write_bytes(b'of a killed process')
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
    with pytest.raises(
        UserError, match=r'written into .*epoch_1\.pth \(Permission denied\): make room, and start again'
    ):
        make_runner(tmp_path).train()


def test_publishing_what_stayed_in_another_folder(tmp_path: Path) -> None:
    """Nothing was trained there, and nothing is published."""
    scored(tmp_path / 'first', 2).train()
    runner = make_runner(
        tmp_path / 'other',
        epochs=4,
        resume=True,
        load_from=str(tmp_path / 'first/epoch_4.pth'),
        checkpoint=dict(save_best=['acc', 'loss'], published_keys=['meta', 'state_dict'], rule='greater'),
    )
    runner.train()
    assert not list((tmp_path / 'other').glob('*.pth'))
