"""tools/export.py on a trained model of each toolbox, at sizes other than the exported one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fec_mm.apis import get_model
from fec_mm.device.recordings import telling_weights

from .commands import tool
from .tiny import TASKS

Trained = Callable[[str], tuple[Path, Path]]
Failure = Callable[..., str]
ROOT = Path(__file__).parents[2]
onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')


def export(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    tool('export.py').main([str(a) for a in argv])
    return capsys.readouterr().out


@pytest.mark.compile
@pytest.mark.parametrize('scope', TASKS)
def test_each_toolbox(trained: Trained, tmp_path: Path, scope: str, capsys: pytest.CaptureFixture[str]) -> None:
    config, work_dir = trained(scope)
    file = tmp_path / 'model.onnx'
    out = export(capsys, config, work_dir / 'epoch_2.pth', '--out', file, '--size', 64, '--dynamic')
    assert out.index('about') < out.index('difference') and 'onnxruntime' in out
    assert ('not in the file' in out) == (scope == 'mmdet')
    notes = {entry.key: json.loads(entry.value) for entry in onnx.load(file).metadata_props}
    assert notes['mean'] == [127.0] * (1 if scope == 'mmpretrain' else 3)
    names = {'mmpretrain': ['left', 'right'], 'mmdet': ['square'], 'mmseg': ['ground', 'square']}
    assert notes['classes'] == names[scope]


@pytest.mark.compile
@pytest.mark.parametrize(
    'head',
    [
        'segmentation/fec/fec-small_fpn_4xb4-80k_ade20k-512x512',
        'segmentation/fec/segformer-head_fec-small_4xb4-80k_ade20k-512x512',
        'segmentation/fec/upernet_fec-small_4xb4-80k_ade20k-512x512',
    ],
)
def test_whole_segmenters_at_other_sizes(tmp_path: Path, head: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that are shipped, with a small backbone: the heads are what is tested."""
    config, checkpoint, file = (tmp_path / name for name in ('config.py', 'model.pth', 'model.onnx'))
    config.write_text(f"""
_base_ = '{ROOT}/configs/{head}.py'
model = dict(backbone=dict(arch=dict(_delete_=True, depths=(1, 1, 1, 1), embed_dims=(32, 64, 196, 320),
                                     num_heads=(1, 1, 1, 1), head_dims=(8, 8, 8, 8), mlp_ratios=(1, 1, 1, 1)),
                           centers_per_side=(3, 3, 2, 2)))
""")
    model = get_model(config, device='cpu')
    telling_weights(model)
    torch.save({'state_dict': model.state_dict()}, checkpoint)
    export(capsys, config, checkpoint, '--out', file, '--size', '96x64', '--dynamic')
    images = torch.randn(2, 3, 75, 130)
    with torch.no_grad():
        scores = model.encode_decode(images, [dict(img_shape=(75, 130))] * 2)
    logits, labels = onnxruntime.InferenceSession(file).run(None, {'images': images.numpy()})
    assert logits.shape[:2] == (2, 150)
    assert np.mean(labels == scores.argmax(1).numpy()) > 0.999


@pytest.mark.parametrize(
    ('options', 'says'),
    [
        (['--out', 'model.pt'], 'ends in .onnx'),
        (['--out', '{folder}/model.onnx', '--part', 'neck', '--cfg-options', 'model.neck=None'], 'has no neck'),
    ],
)
def test_bad_input(trained: Trained, tmp_path: Path, failure: Failure, options: list[str], says: str) -> None:
    config, work_dir = trained('mmpretrain')
    options = [option.replace('{folder}', str(tmp_path)) for option in options]
    assert says in failure(tool('export.py').main, config, work_dir / 'epoch_2.pth', *options)
    assert not list(tmp_path.iterdir())
