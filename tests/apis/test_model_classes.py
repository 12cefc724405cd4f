"""Names of the classes of a config and of a checkpoint, where a model is built for inference."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fec_mm.apis import get_model, models
from tests.tools.tiny import make_config, make_data


@pytest.mark.parametrize(
    ('names', 'says'),
    [
        (('square',), None),
        (None, None),
        (('box',), "mmdet.py and 'box' in the checkpoint: the names of the checkpoint are taken"),
    ],
)
def test_names_of_the_checkpoint(
    names: tuple[str, ...] | None, says: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_data(tmp_path, 1)
    config = make_config(tmp_path, 'mmdet')
    checkpoint = {
        'meta': {'dataset_meta': {'classes': names} if names else {}},
        'state_dict': get_model(config, device='cpu').state_dict(),
    }
    torch.save(checkpoint, tmp_path / 'a.pth')
    lines: list[str] = []
    monkeypatch.setattr(models, 'print_log', lambda text, *_: lines.append(text))
    model = get_model(config, tmp_path / 'a.pth', device='cpu')
    assert model.dataset_meta['classes'] == (names or ('square',))
    assert [line[-len(says or '') :] for line in lines] == ([says] if says else [])
