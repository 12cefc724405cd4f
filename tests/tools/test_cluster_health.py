"""The tool on a model of the tiny data, whose images are grey."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .commands import tool

Trained = Callable[[str], tuple[Path, Path]]


def test_rows_of_every_layer(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    config, work_dir = trained('mmpretrain')
    argv = [str(config), str(work_dir / 'epoch_2.pth'), '--images', '3', '--json', str(tmp_path / 'rows.json')]
    tool('analysis_tools/cluster_health.py').main(argv)
    rows = json.loads((tmp_path / 'rows.json').read_text())
    stages = [f'stages.{i}.0.mixer' for i in range(4)]
    pools = [f'downsamples.{i}' for i in range(3)]
    assert sorted(row['layer'] for row in rows) == sorted([*stages, *pools])
    first, last = (next(row for row in rows if row['layer'] == name) for name in (stages[0], stages[-1]))
    assert 0 < first['used'] <= 1 and last['used'] is None  # of 32² pixels the last map is one position
    assert f'| {stages[0]} | {first["used"]:.3f} |' in capsys.readouterr().out


def test_images_of_several_sizes_are_one_line(trained: Trained, failure: Callable[..., str], root: Path) -> None:
    config, work_dir = trained('mmpretrain')
    main = tool('analysis_tools/cluster_health.py').main
    pipeline = 'test_dataloader.dataset.pipeline.1'
    options = ['--cfg-options', f'{pipeline}.type=RandomResize', f'{pipeline}.scale=[(32,32),(96,96)]']
    line = failure(main, config, work_dir / 'epoch_2.pth', '--images', 8, *options)
    assert 'the test pipeline gives images of several sizes: resize them to one' in line


def test_a_model_without_clusters_is_one_line(trained: Trained, failure: Callable[..., str], tmp_path: Path) -> None:
    import torch

    from fec_mm.apis import get_model

    config, _ = trained('mmpretrain')
    text = config.read_text() + (
        "model['backbone'] = dict(type='ResNet', depth=18, in_channels=1, stem_channels=5, base_channels=5)\n"
        "model['head']['in_channels'] = 40\n"
    )
    (tmp_path / 'resnet.py').write_text(text)
    torch.save(get_model(tmp_path / 'resnet.py', device='cpu').state_dict(), tmp_path / 'resnet.pth')
    line = failure(tool('analysis_tools/cluster_health.py').main, tmp_path / 'resnet.py', tmp_path / 'resnet.pth')
    assert 'ResNet has no clustering layer' in line
