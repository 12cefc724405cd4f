"""Images above Pillow's own limit of pixels: what OpenCV decodes is good input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fec_mm.apis import FECInferencer, get_model
from fec_mm.cli import train
from fec_mm.datasets.readable import readable
from fec_mm.datasets.sample_checks import CheckSample
from fec_mm.errors import UserError

from .tiny import make_config, make_data

LIMIT = 4 * 64 * 64 // 10  # Pillow refuses twice as many: the tiny images are above


@pytest.fixture
def segmenter(tmp_path: Path) -> tuple[Path, Path]:
    make_data(tmp_path, 2)
    config = make_config(tmp_path, 'mmseg', "train_cfg['max_epochs'] = 1\ntrain_pipeline[2]['scale'] = (64, 64)\n")
    torch.save({'state_dict': get_model(config, device='cpu').state_dict()}, tmp_path / 'x.pth')
    return config, tmp_path / 'x.pth'


def test_limit_of_pillow_is_not_ours(
    segmenter: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a small scale: Pillow's limit lowered, as if images were larger. Tools raise it before they open any."""
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', LIMIT)
    assert readable(str(tmp_path / 'data/images/0.png'))
    train.main([str(segmenter[0]), '--work-dir', str(tmp_path / 'work')])
    assert Image.MAX_IMAGE_PIXELS == 1 << 29
    assert (tmp_path / 'work/epoch_1.pth').is_file()


def test_a_limit_that_a_user_took_away_stays_away(
    segmenter: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', None)
    get_model(segmenter[0], device='cpu')
    assert Image.MAX_IMAGE_PIXELS is None


def test_checks_of_label_maps_do_not_depend_on_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.zeros((64, 64), np.uint16)
    Image.fromarray(labels).save(tmp_path / 'm.png')
    (tmp_path / 'm.raw').write_bytes(labels.tobytes())
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', LIMIT)
    for name in ('m.png', 'm.raw'):
        results = dict(gt_seg_map=labels.astype(np.uint8), seg_map_path=str(tmp_path / name), ori_shape=(64, 64))
        assert CheckSample(2)(results) is results
        results['gt_seg_map'] = results['gt_seg_map'] + 5
        with pytest.raises(UserError, match='has the label 5'):
            CheckSample(2)(results)


@pytest.mark.slow
def test_a_real_one(segmenter: tuple[Path, Path], tmp_path: Path) -> None:
    """196 megapixels of one bit each, as label map and as image, to train on and to classify; about 2 GiB of memory."""
    for folder in ('images', 'maps'):
        Image.new('1', (14_000, 14_000)).save(tmp_path / f'data/{folder}/0.png')
    train.main([str(segmenter[0]), '--work-dir', str(tmp_path / 'work'), '--no-validate'])
    assert (tmp_path / 'work/epoch_1.pth').is_file()
    config = make_config(
        tmp_path,
        'mmpretrain',
        "test_dataloader['dataset']['pipeline'][0].pop('color_type')\nmodel['backbone']['in_channels'] = 3\n",
    )
    torch.save({'state_dict': get_model(config, device='cpu').state_dict()}, tmp_path / 'y.pth')
    (found,) = FECInferencer('classification', config, tmp_path / 'y.pth', device='cpu')(tmp_path / 'data/images/0.png')
    assert found['pred_label'] in (0, 1)
