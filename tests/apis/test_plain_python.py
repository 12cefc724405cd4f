"""The toolboxes' own inferencers in an interpreter that knows nothing of fec_mm but by the config."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from PIL import Image

from fec_mm.apis import get_model

ROOT = Path(__file__).parents[2]
CODE = {
    'classification': 'from mmpretrain import ImageClassificationInferencer as I; '
    "print(I(config, pretrained=weights, device='cpu')(image)[0]['pred_label'] >= 0)",
    'detection': 'from mmdet.apis import DetInferencer as I; '
    "print(len(I(config, weights, device='cpu')(image)['predictions']) == 1)",
    'segmentation': 'from mmseg.apis import MMSegInferencer as I; '
    "print(I(config, weights, device='cpu')(image)['predictions'].shape == (64, 96))",
}


@pytest.mark.parametrize('task', CODE)
def test_inferencer_of_the_toolbox(task: str, tmp_path: Path) -> None:
    """With a checkpoint of a training: it has mmengine's records, which are more than weights."""
    config, image, weights = ROOT / f'configs/quickstart/{task}.py', tmp_path / 'a.png', tmp_path / 'a.pth'
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)).save(image)
    model = get_model(config, device='cpu')
    torch.save(
        {
            'state_dict': model.state_dict(),
            'message_hub': {'log_scalars': {'loss': HistoryBuffer([1.0], [1])}},
            'meta': {
                'dataset_meta': {'classes': [str(i) for i in range(11)], 'palette': [[i, i, i] for i in range(11)]}
            },
        },
        weights,
    )
    code = f'config, image, weights = {str(config)!r}, {str(image)!r}, {str(weights)!r}; {CODE[task]}'
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith('True')
