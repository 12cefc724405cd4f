"""What a training continues from, among files that are whole, damaged, elsewhere or of another kind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from fec_mm.checkpoints.latest import last_checkpoint
from fec_mm.errors import UserError


def write(path: Path, age: int = 0, damage: bool = False, **content: object) -> str:
    torch.save({**dict(meta={}, message_hub={}, optimizer={}, state_dict=dict(x=torch.ones(99))), **content}, path)
    if damage:
        path.write_bytes(path.read_bytes()[:-300])
    os.utime(path, (10**9 - age, 10**9 - age))
    return str(path)


def point(folder: Path, text: object) -> None:
    (folder / 'last_checkpoint').write_text(str(text))


def test_a_new_folder_has_none(tmp_path: Path) -> None:
    write(tmp_path / 'imagenet.pth')
    for folder in (tmp_path, tmp_path / 'none'):
        assert last_checkpoint(str(folder)) == (None, [])


def test_the_named_one_is_taken_even_if_others_are_newer(tmp_path: Path) -> None:
    named = write(tmp_path / 'epoch_2.pth', age=10)
    write(tmp_path / 'epoch_9.pth')
    point(tmp_path, named)
    assert last_checkpoint(str(tmp_path)) == (named, [])
    point(tmp_path, 's3://bucket/epoch_3.pth')
    assert last_checkpoint(str(tmp_path)) == ('s3://bucket/epoch_3.pth', [])


@pytest.mark.parametrize('pointer', ['{}/iter_30.pth', '', '{}/iter_', '\0' * 40, None])
def test_the_newest_whole_one_is_next(tmp_path: Path, pointer: str | None) -> None:
    write(tmp_path / 'iter_30.pth', age=1, damage=True)
    expected = write(tmp_path / 'iter_20.pth', age=2)
    write(tmp_path / 'iter_10.pth', age=3)
    write(tmp_path / 'best_mIoU_iter_20.pth')
    if pointer is not None:
        point(tmp_path, pointer.format(tmp_path))
    found, notes = last_checkpoint(str(tmp_path))
    assert found == expected
    assert (
        f'checkpoint {tmp_path}/iter_30.pth is damaged or cut short: use another one, or copy it again; continuing '
        f'from '
        f'{expected}' in notes
    )


def test_a_folder_that_was_moved_or_is_elsewhere(tmp_path: Path) -> None:
    (tmp_path / 'new').mkdir()
    write(tmp_path / 'new/epoch_2.pth')
    expected = write(tmp_path / 'new/epoch_1.pth', age=5)
    point(tmp_path / 'new', tmp_path / 'old/epoch_1.pth')
    assert last_checkpoint(str(tmp_path / 'new'))[0] == expected
    (tmp_path / 'out').mkdir()
    (tmp_path / 'log').mkdir()
    write(tmp_path / 'out/epoch_2.pth', damage=True)
    expected = write(tmp_path / 'out/epoch_1.pth', age=5)
    point(tmp_path / 'log', tmp_path / 'out/epoch_2.pth')
    assert last_checkpoint(str(tmp_path / 'log'))[0] == expected


@pytest.mark.parametrize(
    'content', [b'\x80\x02K\x01q\x00(', b'\x80\x02\x8a', b'\x80\x02t.', b'j\x00\x00\x00\x00.', b'', b'\0' * 99]
)
def test_bytes_that_are_no_pickle(tmp_path: Path, content: bytes) -> None:
    """Also those of which torch's loader says IndexError or struct.error: they are passed over."""
    expected = write(tmp_path / 'epoch_1.pth', age=5)
    (tmp_path / 'epoch_2.pth').write_bytes(content)
    point(tmp_path, tmp_path / 'epoch_2.pth')
    found, notes = last_checkpoint(str(tmp_path))
    assert found == expected and 'epoch_2.pth' in notes[0]


def test_none_that_can_be_continued(tmp_path: Path) -> None:
    torch.save(dict(meta={}, state_dict={}), tmp_path / 'epoch_1.pth')
    with pytest.raises(UserError, match=r'none of the 1 checkpoints of .*: copy one there, or choose') as caught:
        last_checkpoint(str(tmp_path))
    assert 'epoch_1.pth has no message_hub, optimizer and cannot be continued' in str(caught.value)


def progress(iterations: int, name: str = '') -> dict[str, dict]:
    return dict(meta=dict(iter=iterations), message_hub=dict(runtime_info=dict(last_ckpt=f'/elsewhere/{name}')))


def test_the_newest_is_the_one_with_most_iterations(tmp_path: Path) -> None:
    """The clock went back an hour between the two; and names count less than what is in them."""
    write(tmp_path / 'epoch_9.pth', **progress(90))
    expected = write(tmp_path / 'epoch_10.pth', age=3600, **progress(100))
    write(tmp_path / 'iter_95.pth', age=-5, **progress(95))
    assert last_checkpoint(str(tmp_path)) == (expected, [])


@pytest.mark.parametrize(
    ('name', 'template'),
    [
        ('ckpt-{}.pth', 'epoch_{}.pth'),
        ('step{:04d}.pt', 'step{:04d}.pt'),
        ('{}.pth', '{}.pth'),
        ('ckpt-{}.pth', 'ckpt-{}.pth'),
    ],
)
def test_checkpoints_of_another_name(tmp_path: Path, name: str, template: str) -> None:
    """By the config, or by what mmengine noted in them."""
    names = [name.format(i) for i in range(4)]
    for i in range(3):
        write(tmp_path / names[i], age=i, damage=i == 2, **progress(i, names[i]))
    write(tmp_path / 'imagenet.pth', **progress(99, 'epoch_300.pth'))
    write(tmp_path / 'best_acc.pth', **progress(99, names[2]))
    point(tmp_path, tmp_path / names[2])
    found, notes = last_checkpoint(str(tmp_path), template)
    assert found == str(tmp_path / names[1])
    assert len(notes) == 1 and f'{names[2]} is damaged' in notes[0]
    (tmp_path / 'last_checkpoint').unlink()
    assert last_checkpoint(str(tmp_path), template)[0] == found


def test_the_folder_of_the_hook(tmp_path: Path) -> None:
    """Also when the pointer into it is lost."""
    (tmp_path / 'big/run').mkdir(parents=True)
    expected = write(tmp_path / 'big/run/epoch_2.pth', **progress(2))
    write(tmp_path / 'big/epoch_3.pth', **progress(3))
    assert last_checkpoint(str(tmp_path / 'work/run/'), out_dir=str(tmp_path / 'big')) == (expected, [])
    assert last_checkpoint(str(tmp_path / 'work/run/'), out_dir='s3://big') == (None, [])


@pytest.mark.parametrize(
    'content', [torch.ones(3), [1], {'meta': 3}, {'message_hub': {'runtime_info': {'last_ckpt': 7}}}]
)
def test_other_files_are_none(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / 'x.pth')
    assert last_checkpoint(str(tmp_path)) == (None, [])
