"""The quick-start data: splits are disjoint, scenes are within their stated limits, and one seed makes one scene."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fec_mm.datasets.build import build_once
from fec_mm.datasets.digits import load_digits
from fec_mm.datasets.scenes import DIGIT_SIZE, MIN_VISIBLE, NUM_DIGITS, PHOTOS, Scene, _rotated, compose, load_photos
from fec_mm.errors import UserError


@pytest.fixture(scope='module')
def scenes() -> list[Scene]:
    photos, digits = load_photos('train'), load_digits()['train']
    return [compose(np.random.default_rng(i), photos, digits, 192) for i in range(30)]


def test_splits_are_disjoint() -> None:
    train, val = load_digits().values()
    assert len(train.labels) == 4000 and len(val.labels) == 1000
    assert not set(train.numbers) & set(val.numbers)
    assert not set(PHOTOS['train']) & set(PHOTOS['val'])
    assert np.bincount(train.labels).tolist() == [400] * 10


def test_scenes_keep_their_limits(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert scene.image.shape == (192, 192, 3) and scene.image.dtype == np.uint8
        assert NUM_DIGITS[0] <= len(scene.masks) <= NUM_DIGITS[1]
        assert not np.add.reduce([m.astype(int) for m in scene.masks]).max() > 1, (
            'a pixel belongs to the topmost digit alone'
        )
        for label, mask in zip(scene.labels, scene.masks):
            assert mask.any() and (scene.class_ids()[mask] == label + 1).all()
        assert (scene.class_ids() == 0).sum() == (~np.any(scene.masks, axis=0)).sum()


def test_sizes_of_digits() -> None:
    rng, digits = np.random.default_rng(0), load_digits()['val']
    sizes = []
    for image in digits.images[:300]:
        rows, cols = np.nonzero(_rotated(rng, image) > 0.5)
        sizes.append(max(np.ptp(rows), np.ptp(cols)) + 1)
    assert DIGIT_SIZE[0] <= min(sizes) < DIGIT_SIZE[0] + 3 and DIGIT_SIZE[1] - 3 < max(sizes) <= DIGIT_SIZE[1]


def test_digits_stay_visible_and_true() -> None:
    """What is drawn is the digit: the visible ink of the topmost one, and at least the stated share of each."""
    photos, digits = load_photos('val'), load_digits()['val']
    black = np.zeros_like(photos[0][:200, :200])
    scene = compose(np.random.default_rng(5), [black], digits, 192)
    assert (scene.image[np.any(scene.masks, axis=0)].max(-1) > 40).mean() > 0.99
    again = compose(np.random.default_rng(5), [black], digits, 192)
    assert np.array_equal(scene.image, again.image) and scene.numbers == again.numbers
    assert MIN_VISIBLE >= 0.5 and all(mask.sum() > 20 for mask in scene.masks)


def test_whole_or_not_at_all(tmp_path: Path) -> None:
    """An interruption leaves nothing at the destination; the next run completes it; other settings are refused."""
    out = tmp_path / 'data'

    def interrupted(folder: Path) -> None:
        (folder / 'a').write_text('half')
        raise KeyboardInterrupt

    def whole(folder: Path) -> None:
        assert not list(folder.iterdir())
        (folder / 'a').write_text('whole')

    with pytest.raises(KeyboardInterrupt):
        build_once(out, {'seed': 0}, interrupted)
    assert not out.exists()
    assert build_once(out, {'seed': 0}, whole) and (out / 'a').read_text() == 'whole'
    assert not build_once(out, {'seed': 0}, interrupted)
    with pytest.raises(UserError, match='made otherwise'):
        build_once(out, {'seed': 1}, whole)
    assert [p.name for p in tmp_path.iterdir()] == ['data']


def test_coco_and_masks_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes are tight on the visible masks, and the masks are the class-id map."""
    import sys

    import mmcv
    from pycocotools.coco import COCO

    root = Path(__file__).parents[2]
    monkeypatch.syspath_prepend(str(root / 'tools' / 'dataset_converters'))
    import digit_scenes

    monkeypatch.setattr(
        sys, 'argv', ['x', '--out-dir', str(tmp_path / 's'), '--num-train', '3', '--num-val', '4', '--seed', '7']
    )
    digit_scenes.main()
    coco = COCO(str(tmp_path / 's' / 'instances_validation.json'))
    assert len(coco.imgs) == 4 and [c['name'] for c in coco.cats.values()] == [str(i) for i in range(10)]
    for image in coco.imgs.values():
        ids = mmcv.imread(str(tmp_path / 's' / 'annotations' / 'validation' / image['file_name']), 'unchanged')
        painted = np.zeros_like(ids)
        for annotation in coco.imgToAnns[image['id']]:
            mask = coco.annToMask(annotation).astype(bool)
            rows, cols = np.nonzero(mask)
            box = [cols.min(), rows.min(), np.ptp(cols) + 1, np.ptp(rows) + 1]
            assert annotation['bbox'] == box and annotation['area'] == mask.sum()
            painted[mask] = annotation['category_id']
        assert np.array_equal(painted, ids)
    assert json.loads((tmp_path / 's' / 'settings.json').read_text())['seed'] == 7
