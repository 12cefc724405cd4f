"""tools/test.py on tiny data, for the three toolboxes."""

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

from fec_mm import compat
from fec_mm.cli import test

from .tiny import TASKS, make_config

Trained = Callable[[str], tuple[Path, Path]]
Failure = Callable[..., str]
Given = Callable[[str], list[str]]
SCORE = {'mmpretrain': 'accuracy/top1', 'mmdet': 'coco/bbox_mAP', 'mmseg': 'mIoU'}


@pytest.fixture
def given(trained: Trained, tmp_path: Path) -> Given:
    """The first arguments of a test of a trained model."""

    def arguments(scope: str) -> list[str]:
        config, work_dir = trained(scope)
        return [str(config), str(work_dir / 'epoch_2.pth'), '--work-dir', str(tmp_path / 'test')]

    return arguments


@pytest.mark.parametrize('scope', TASKS)
def test_score_is_that_of_the_training(trained: Trained, given: Given, scope: str) -> None:
    compat.allow_checkpoint_globals()
    checkpoint = torch.load(given(scope)[1], weights_only=True)
    recorded = checkpoint['message_hub']['log_scalars'].get(f'val/{SCORE[scope]}')
    metrics = test.main(given(scope))
    # The checkpoint is written before its own evaluation: it holds the score of the epoch before, so ask the log.
    lines = next(trained(scope)[1].glob('*/vis_data/scalars.json')).read_text().splitlines()
    assert metrics[SCORE[scope]] == pytest.approx(json.loads(lines[-1])[SCORE[scope]])
    assert recorded is not None


def test_score_depends_on_the_checkpoint(given: Given, tmp_path: Path) -> None:
    config, checkpoint, *rest = given('mmpretrain')
    content = torch.load(checkpoint, weights_only=True)
    for name in ('weight', 'bias'):  # swap the two classes
        content['state_dict'][f'head.fc.{name}'] = content['state_dict'][f'head.fc.{name}'].flip(0)
    torch.save(content, tmp_path / 'swapped.pth')
    good, bad = (test.main([config, str(c), *rest])['accuracy/top1'] for c in (checkpoint, tmp_path / 'swapped.pth'))
    assert good + bad == 100


def test_predictions_of_a_classifier(given: Given, tmp_path: Path) -> None:
    out = tmp_path / 'new/predictions.pkl'
    metrics = test.main([*given('mmpretrain'), '--out', str(out)])
    predictions = pickle.loads(out.read_bytes())
    right = [int(p['pred_label']) == int(p['gt_label']) for p in predictions]
    assert len(right) == 8
    assert 100 * sum(right) / 8 == pytest.approx(metrics['accuracy/top1'])
    assert [p.name for p in out.parent.iterdir()] == ['predictions.pkl']


def test_predictions_of_a_detector(given: Given, tmp_path: Path) -> None:
    out = tmp_path / 'predictions.pkl'
    test.main([*given('mmdet'), '--out', str(out)])
    predictions = pickle.loads(out.read_bytes())
    assert sorted(p['img_id'] for p in predictions) == list(range(8))
    assert all(p['pred_instances']['bboxes'].shape == (len(p['pred_instances']['scores']), 4) for p in predictions)


def test_predictions_of_a_segmenter(given: Given, tmp_path: Path, root: Path) -> None:
    metrics = test.main([*given('mmseg'), '--out', str(tmp_path / 'maps')])
    names = sorted(p.name for p in (tmp_path / 'maps').iterdir())
    assert names == [f'{i}.png' for i in range(8)]
    right = [
        np.asarray(Image.open(tmp_path / f'maps/{i}.png')) == np.asarray(Image.open(root / f'data/maps/{i}.png'))
        for i in range(8)
    ]
    assert 100 * np.mean(right) == pytest.approx(metrics['aAcc'], abs=0.01)


def test_metrics_file(given: Given, tmp_path: Path) -> None:
    metrics = test.main([*given('mmseg'), '--out', str(tmp_path / 'metrics.json'), '--out-item', 'metrics'])
    assert json.loads((tmp_path / 'metrics.json').read_text()) == pytest.approx(metrics)


@pytest.mark.parametrize('scope', TASKS)
def test_show_dir_has_a_picture_of_every_image(given: Given, tmp_path: Path, scope: str) -> None:
    test.main([*given(scope), '--show-dir', str(tmp_path / 'shown')])
    pictures = [p for p in (tmp_path / 'shown').rglob('*.png') if p.is_file()]
    assert len(pictures) == 8
    assert all(np.asarray(Image.open(p)).std() > 0 for p in pictures)


@pytest.mark.parametrize('scope', TASKS)
def test_tta_merges_flips(given: Given, root: Path, tmp_path: Path, scope: str) -> None:
    plain, flipped = test.main(given(scope)), test.main([*given(scope), '--tta'])
    assert plain.keys() == flipped.keys()
    # Squares are in the left or the right half: without flipping back, every class and box would be wrong.
    assert flipped[SCORE[scope]] >= 0.5 * plain[SCORE[scope]] - 0.02


def test_tta_of_the_config(given: Given, root: Path, tmp_path: Path) -> None:
    same = (
        "tta_model = dict(type='AverageClsScoreTTA')\ntta_pipeline = [test_pipeline[0], dict(type='TestTimeAug', "
        'transforms=[[test_pipeline[1]], [test_pipeline[2]]])]\n'
    )
    config = make_config(root, 'mmpretrain', same, tmp_path)
    assert test.main([str(config), *given('mmpretrain')[1:], '--tta']) == test.main(given('mmpretrain'))


def test_refuses_what_is_not_this_models_checkpoint(given: Given, failure: Failure, tmp_path: Path) -> None:
    config, checkpoint, *rest = given('mmpretrain')
    out = tmp_path / 'out.json'
    out.write_text('kept')
    rest += ['--out', str(out), '--out-item', 'metrics']
    other = given('mmseg')[1]
    assert f'checkpoint {other} is of another model' in failure(test.main, config, other, *rest)
    line = failure(test.main, config, checkpoint, *rest, '--cfg-options', 'model.head.num_classes=3')
    assert 'head.fc.weight: (2, 20) instead of (3, 20)' in line
    content = torch.load(checkpoint, weights_only=True)
    del content['state_dict']['head.fc.bias']
    torch.save(content, tmp_path / 'less.pth')
    assert '1 missing (head.fc.bias)' in failure(test.main, config, tmp_path / 'less.pth', *rest)
    torch.save({'model': {}}, tmp_path / 'raw.pth')
    assert 'convert_released.py' in failure(test.main, config, tmp_path / 'raw.pth', *rest)
    assert out.read_text() == 'kept'
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ['less.pth', 'out.json', 'raw.pth']


def test_refuses_damaged_checkpoints(given: Given, failure: Failure, tmp_path: Path) -> None:
    config, checkpoint, *rest = given('mmpretrain')
    whole = Path(checkpoint).read_bytes()
    contents = {
        'cut': whole[:-3000],
        'empty': b'',
        'text': b'<html>not found</html>',
        'flipped': whole[: len(whole) // 2] + bytes(64) + whole[len(whole) // 2 + 64 :],
    }
    for name, content in contents.items():
        (tmp_path / f'{name}.pth').write_bytes(content)
        assert f'{name}.pth is damaged' in failure(test.main, config, tmp_path / f'{name}.pth', *rest)
    assert 'none.pth does not exist' in failure(test.main, config, 'none.pth', *rest)


def test_refuses_bad_outputs_before_testing(given: Given, failure: Failure, tmp_path: Path) -> None:
    assert 'as .pkl' in failure(test.main, *given('mmdet'), '--out', 'x.json')
    assert 'as .json' in failure(test.main, *given('mmdet'), '--out', 'x.png', '--out-item', 'metrics')
    assert 'need a folder' in failure(test.main, *given('mmseg'), '--out', 'x.pkl')
    assert 'give --out' in failure(test.main, *given('mmseg'), '--out-item', 'metrics')


def test_names_an_unreadable_label_map(given: Given, root: Path, tmp_path: Path, failure: Failure) -> None:
    shutil.copytree(root / 'data', tmp_path / 'data')
    (tmp_path / 'data/maps/5.png').write_bytes(b'')
    config = make_config(tmp_path, 'mmseg')
    assert f'{tmp_path}/data/maps/5.png is not a readable image' in failure(test.main, config, *given('mmseg')[1:])
