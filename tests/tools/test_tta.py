"""tools/test.py --tta: of Mask R-CNN, and together with pictures."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fec_mm.apis import get_model
from fec_mm.cli import test

from .tiny import TASKS

Trained = Callable[[str], tuple[Path, Path]]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize('scope', TASKS)
def test_pictures(trained: Trained, root: Path, tmp_path: Path, scope: str) -> None:
    config, work_dir = trained(scope)
    argv = [
        str(config),
        str(work_dir / 'epoch_2.pth'),
        '--work-dir',
        str(tmp_path / 'test'),
        '--show-dir',
        str(tmp_path / 'shown'),
    ]
    test.main([*argv, '--tta'])
    pictures = sorted(path for path in (tmp_path / 'shown').rglob('*.png') if path.is_file())
    assert len(pictures) == 8
    for i, path in enumerate(
        pictures if scope == 'mmpretrain' else []
    ):  # painted on the image, not on its mirror image
        painted = Image.open(path).convert('L')
        image = Image.open(root / f'data/images/{i}.png').convert('L').resize(painted.size)
        far, near = (
            np.abs(np.asarray(other, float) - np.asarray(painted, float)).mean()
            for other in (image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), image)
        )
        assert near < far


def test_mask_rcnn(root: Path, tmp_path: Path) -> None:
    """The shipped one, without training: boxes and masks are measured."""
    coco = json.loads((root / 'data/boxes.json').read_text())
    for ann in coco['annotations']:
        x, y, w, h = ann['bbox']
        ann['segmentation'] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    (tmp_path / 'boxes.json').write_text(json.dumps(coco))
    config = tmp_path / 'mask.py'
    config.write_text(f"""
_base_ = '{ROOT}/configs/quickstart/detection.py'
experiment_name = '{uuid.uuid4().hex}'  # mmengine's global instances are of this test alone
visualizer = dict(name='{uuid.uuid4().hex}')
model = dict(roi_head=dict(bbox_head=dict(num_classes=1), mask_head=dict(num_classes=1)),
             test_cfg=dict(rcnn=dict(score_thr=0.0, max_per_img=5)))
test_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(
    data_root='', ann_file='{tmp_path}/boxes.json', data_prefix=dict(img='{root}/data/images/'),
    metainfo=dict(classes=('square', ))))
test_evaluator = dict(ann_file='{tmp_path}/boxes.json', metric=['bbox', 'segm'])
""")
    torch.manual_seed(0)
    model = get_model(config, device='cpu')
    model.init_weights()
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'x.pth')
    metrics = test.main(
        [
            str(config),
            str(tmp_path / 'x.pth'),
            '--work-dir',
            str(tmp_path / 'work'),
            '--tta',
            '--out',
            str(tmp_path / 'x.pkl'),
        ]
    )
    assert {'coco/bbox_mAP', 'coco/segm_mAP'} <= metrics.keys()
