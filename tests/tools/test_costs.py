"""get_flops.py and plan_training.py, and what they are made of, on the tiny configs of the three toolboxes."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from fec_mm.cli.config import load_config
from fec_mm.evaluation.flops import MultiplyAdds, count_backbone
from fec_mm.evaluation.training_cost import (
    _compiled_calls,
    _samples,
    count_heads,
    counted_model,
    gradient_bytes,
    image_shape,
)
from tests.tools.tiny import TASKS, make_config

PLAN = ['--tflops', '10', '--bandwidth', '5', '--images', '100']


def tool(name: str) -> ModuleType:
    path = Path(__file__).parents[2] / f'tools/analysis_tools/{name}.py'
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(path: Path) -> Any:
    return load_config(str(path), ('model',))


@pytest.mark.parametrize('scope', TASKS)
def test_the_parts_are_the_whole(root: Path, tmp_path: Path, scope: str) -> None:
    """The backbone that is not computed, and heads on random maps, against the model as it runs."""
    cfg = read(make_config(root, scope, folder=tmp_path))
    given = cfg.model.to_dict()
    model = counted_model(cfg).eval()
    assert cfg.model.to_dict() == given  # to be built again
    shape = image_shape(cfg, (64, 96))
    backbone, maps = count_backbone(model.backbone, shape)
    heads = count_heads(model, scope, shape, maps)
    with torch.no_grad(), MultiplyAdds() as counter:
        model(torch.randn(1, *shape), _samples(scope, 1, (64, 96)), mode='tensor')
    whole = counter.count
    assert backbone.in_convention + heads.in_convention == whole.in_convention > heads.in_convention > 0
    assert backbone.every + heads.every == whole.every
    assert not backbone.missed and not heads.missed


def test_compiled_operators_are_said_to_be_missed() -> None:
    from mmcv.ops import nms

    boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.0]])
    with _compiled_calls() as calls:
        nms(boxes, torch.ones(2), 0.5)
    nms(boxes, torch.ones(2), 0.5)
    assert calls == {'mmcv.nms': 1}


@pytest.mark.parametrize('scope', ['mmseg', 'mmdet'])
def test_get_flops(root: Path, tmp_path: Path, scope: str, capsys: pytest.CaptureFixture[str]) -> None:
    config = make_config(root, scope, folder=tmp_path)
    model = counted_model(read(config))
    tool('get_flops').main([str(config), '--size', '64x96'])
    said = capsys.readouterr().out
    n = sum(p.numel() for p in model.parameters())
    assert f'parameters: {n:,} = {n / 1e6:.3f} × 10⁶ = {n / 2**20:.3f} × 1024²' in said
    assert 'as published, fvcore' in said and 'ours, every operator' in said and 'NOT COUNTED' not in said


def test_plan(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = make_config(root, 'mmseg', folder=tmp_path)
    tool('plan_training').main([str(config), *PLAN, '--gpus', '2', '16', '--latency', '1000', '--size', '64'])
    said = capsys.readouterr().out
    gradients = gradient_bytes(counted_model(read(config)))
    assert '2 epochs, 200 images seen, of 100 (--images)' in said
    reduce_ms = 1e3 * (gradients / 5e9 + 2 * 1e-3)
    assert '| 2 | 4 | ' in said and f' | {reduce_ms:.4g} | ' in said  # the batch of 8 on two
    assert '| 16 | fewer than one |' in said
    assert said.count('Communication takes longer than computation from 2 GPUs on') == 2
    assert 'Assumptions. Every process' in said


@pytest.mark.slow
def test_cost_table_and_memory(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configs = [str(make_config(root, scope, folder=tmp_path)) for scope in ('mmdet', 'mmseg')]
    run = tool('plan_training').main
    run([*configs, '--size', '128'])
    rows = [row.split('|') for row in capsys.readouterr().out.splitlines() if row.startswith(('| mmdet', '| mmseg'))]
    assert len(rows) == 2 and all(float(row[-2].split(',')[0]) > 0 for row in rows)
    run([configs[1], *PLAN, '--memory', '1', '--size', '128'])
    assert '1 GiB hold ' in capsys.readouterr().out


def test_mistakes(root: Path, tmp_path: Path, failure: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    config = make_config(root, 'mmseg', folder=tmp_path)
    run = tool('plan_training').main
    assert '--images' in failure(run, config, *PLAN[:4], '--size', '64')
    assert 'auto_scale_lr' in failure(run, config, *PLAN, '--size', '64', '--cfg-options', 'auto_scale_lr=None')
    assert 'does not exist' in failure(tool('get_flops').main, tmp_path / 'no.py')
    for bad in (['--tflops', '1'], ['--bandwidth', '1'], ['--tflops', '0', '--bandwidth', '1'], [*PLAN, '--gpus', '0']):
        with pytest.raises(SystemExit):
            run([str(config), *bad])
    capsys.readouterr()
