"""tools/infer.py: the same form for all tasks, named after the inputs, equal to what tools/test.py finds."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco

from fec_mm.apis import get_model
from fec_mm.apis.models import get_config
from fec_mm.apis.prediction import Prediction
from fec_mm.cli import test
from fec_mm.visualization.predictions import paint

from .commands import tool
from .tiny import TASKS

Trained = Callable[[str], tuple[Path, Path]]
Failure = Callable[..., str]


@pytest.mark.parametrize('scope', TASKS)
def test_the_predictions_of_testing(trained: Trained, root: Path, tmp_path: Path, scope: str) -> None:
    config, work_dir = trained(scope)
    checkpoint, images, out = str(work_dir / 'epoch_2.pth'), root / 'data/images', tmp_path / 'new/out'
    tool('infer.py').main([str(config), checkpoint, str(images), '--out-dir', str(out), '--score-thr', '0'])
    suffixes = ('.json', '.png', '_labels.png') if scope == 'mmseg' else ('.json', '.png')
    assert {path.name for path in out.iterdir()} == {f'{i}{suffix}' for i in range(8) for suffix in suffixes}
    found = [json.loads((out / f'{i}.json').read_text()) for i in range(8)]
    assert all((each['width'], each['height']) == (64, 64) for each in found)
    assert all(each['image'] == str(images / f'{i}.png') for i, each in enumerate(found))
    results = tmp_path / ('maps' if scope == 'mmseg' else 'results.pkl')
    test.main([str(config), checkpoint, '--work-dir', str(tmp_path / 'test'), '--out', str(results)])
    if scope == 'mmseg':
        for i, each in enumerate(found):
            labels = np.asarray(Image.open(results / f'{i}.png'))
            assert (np.asarray(Image.open(out / each['label_map'])) == labels).all()
            shares = {p['id']: p['share'] for p in each['predictions']}
            assert shares == {i: (labels == i).mean() for i in np.unique(labels).tolist()}
            assert sum(shares.values()) == pytest.approx(1)
        return
    with open(results, 'rb') as file:
        for expected in pickle.load(file):
            stem = Path(expected['img_path']).stem
            predictions = found[int(stem)]['predictions']
            if scope == 'mmpretrain':
                assert predictions[0]['score'] == pytest.approx(expected['pred_score'].max().item(), abs=1e-6)
                assert {p['label'] for p in predictions} == {'left', 'right'}
            else:
                boxes = expected['pred_instances']['bboxes'].numpy()
                assert np.allclose([p['box'] for p in predictions], boxes, atol=0.006)
                assert {p['label'] for p in predictions} <= {'square'}


def test_masks_are_run_lengths() -> None:
    masks = np.zeros((1, 5, 7), bool)
    masks[0, 1:3, 2:6] = True
    found = [{'id': 2, 'label': 'ä', 'score': 0.5, 'box': [2, 1, 6, 3]}]
    result = Prediction('detection', np.zeros((5, 7, 3), np.uint8), found, masks)
    (plain,) = json.loads(json.dumps(result.as_json('x.png')))['predictions']
    assert (coco.decode(plain['mask']) == masks[0]).all() and plain['label'] == 'ä'


def test_panoptic_segments(root: Path, tmp_path: Path) -> None:
    """Of the shipped config with initial weights: the segments of the map that mmdet predicts, without void."""
    config, checkpoint = 'panoptic-fpn_fec-small_4xb4-1x_coco', tmp_path / 'x.pth'
    torch.manual_seed(0)
    model = get_model(config, device='cpu')
    model.init_weights()
    torch.save({'state_dict': model.state_dict()}, checkpoint)
    cfg = get_config(config)
    small = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(64, 64)), dict(type='PackDetInputs')]
    cfg.test_dataloader.dataset.pipeline = small
    cfg.model.test_cfg.panoptic.update(stuff_area_limit=1)
    cfg.dump(tmp_path / 'config.py')
    image = root / 'data/images/0.png'
    tool('infer.py').main([str(tmp_path / 'config.py'), str(checkpoint), str(image), '--out-dir', str(tmp_path / 'o')])
    found = json.loads((tmp_path / 'o/0.json').read_text())['predictions']
    assert found
    masks = np.stack([coco.decode(each['mask']) for each in found])
    assert masks.sum(0).max() == 1  # none overlap
    assert np.allclose([each['share'] for each in found], masks.mean((1, 2)))
    assert all(0 <= each['id'] < 133 and each['label'] for each in found)


@pytest.mark.parametrize('size', [(28, 28), (600, 800)])
def test_text_can_be_read_on_small_images(size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 90, np.uint8)
    classes = [{'id': i, 'label': f'class {i}', 'score': 0.5} for i in range(2)]
    picture = paint(image, classes)
    assert picture.width >= 448 and picture.height == picture.width * size[0] // size[1] + 2 * 24
    assert (np.asarray(picture)[-48:] == 0).any()  # black words, below the image
    box = [{'id': 1, 'label': 'digit', 'score': 0.75, 'box': [2, 20, 20, 26]}]
    drawn = np.asarray(paint(image, box))
    scale = drawn.shape[1] // size[1]
    assert (drawn[26 * scale, 10 * scale] != 90).any()  # the lower side of the box, enlarged with the image
    labels = np.arange(size[0])[:, None] // (size[0] // 2) * np.ones(size[1], int)
    painted = np.asarray(paint(image, [], labels=labels))
    assert len(np.unique(painted.reshape(-1, 3), axis=0)) == 2


def test_bad_images(trained: Trained, root: Path, tmp_path: Path, failure: Failure) -> None:
    config, work_dir = trained('mmpretrain')
    main, checkpoint, out = tool('infer.py').main, work_dir / 'epoch_2.pth', tmp_path / 'out'
    shutil.copy(root / 'data/images/0.png', tmp_path / '0.png')
    (tmp_path / 'bad.png').write_text('no image')
    line = failure(main, config, checkpoint, tmp_path / 'bad.png', tmp_path / '0.png', '--out-dir', out)
    assert '1 of 2 images could not be read' in line and 'bad.png' in line
    assert sorted(path.name for path in out.iterdir()) == ['0.json', '0.png']
    twice = tmp_path / '0.png', root / 'data/images/0.png'
    assert 'would both be written as' in failure(main, config, checkpoint, *twice, '--out-dir', out)
    assert 'would replace' in failure(main, config, checkpoint, tmp_path / '0.png', '--out-dir', tmp_path)
    assert 'does not exist' in failure(main, config, checkpoint, tmp_path / 'gone.png', '--out-dir', out)
