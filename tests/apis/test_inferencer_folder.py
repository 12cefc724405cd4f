"""Which files of a folder are images to an inferencer."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from PIL import Image

from fec_mm.apis import inferencer
from fec_mm.errors import UserError


def test_images_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple] = []
    monkeypatch.setattr(inferencer, 'print_log', lambda *args: said.append(args))
    for name in ('._a.png', '.DS_Store', 'notes.txt', 'p.HEIC', 'q.svg'):
        (tmp_path / name).write_bytes(b'no image')
    with pytest.raises(UserError, match='has no image'):
        inferencer._images(tmp_path)
    for name in ('b.JFIF', 'a.png', 'c.webp'):
        Image.new('RGB', (4, 4)).save(tmp_path / name)
    assert inferencer._images(tmp_path) == [str(tmp_path / name) for name in ('a.png', 'b.JFIF', 'c.webp')]
    assert said == [
        (
            f'{tmp_path}: 2 images, such as p.HEIC, are passed over: OpenCV does not read them',
            'current',
            logging.WARNING,
        )
    ]
