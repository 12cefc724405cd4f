"""The comparison: what it trains, that finished runs are skipped, its table, its words for mistakes."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TOOL = Path(__file__).parents[2] / 'tools/analysis_tools/compare_necks.py'


@pytest.fixture
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location('compare_necks', TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules['compare_necks'] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('name', ['gap', 'pool', 'detection', 'segmentation', 'streets'])
def test_variants_differ_only_in_what_is_compared(tool: ModuleType, name: str) -> None:
    """The same data, budget and seed; every variant builds."""
    from mmengine.registry import MODELS, DefaultScope

    experiment = tool.streets('DIR', 11) if name == 'streets' else tool.EXPERIMENTS[name]
    configs = [tool.Run(name, experiment, variant, 20, 3).config() for variant in experiment.variants]
    assert len(configs) > 1
    models = []
    for cfg in configs:
        assert (cfg.randomness.seed, cfg.param_scheduler.total_steps, cfg.train_cfg.val_interval) == (3, 20, 4)
        assert 20 in cfg.train_cfg.values()
        __import__(cfg.default_scope)
        with DefaultScope.overwrite_default_scope(cfg.default_scope):
            models.append(MODELS.build({**cfg.pop('model'), 'data_preprocessor': None}))
    assert all(cfg.to_dict() == configs[0].to_dict() for cfg in configs)
    assert len({tuple(model.state_dict()) for model in models}) == len(models)


def trained(calls: list, metric: str, budget: int) -> Any:
    """Stands in for tools/train.py: writes the log that it would."""

    def run(log: Path, tool: Path, *arguments: object) -> int:
        calls.append(arguments)
        folder = log.parent / '20260101_000000' / 'vis_data'
        folder.mkdir(parents=True)
        lines = [{'lr': 1, 'step': 1}] + [{metric: 10 * len(calls) + step, 'step': step} for step in (1, budget)]
        (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))
        return 0

    return run


def test_each_run_once(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(tool, 'run_tool', trained(calls, 'accuracy/top1', 2))
    args = ['--experiments', 'pool', '--seeds', '2', '--budget', 'pool=2', '--out-dir', str(tmp_path), '--jobs', '1']
    tool.main(args)
    assert len(calls) == 4 and len(list((tmp_path / 'results').glob('*.json'))) == 4
    # Values 12 and 32 of the first variant, 22 and 42 of the second.
    assert '| pool | published | 2 | accuracy/top1 | 22 ± 14.1 | 12, 32 |' in capsys.readouterr().out
    assert (tmp_path / 'necks.png').stat().st_size > 1000
    tool.main(args)
    assert len(calls) == 4
    assert '| learn_similarity | 2 | accuracy/top1 | 32 ± 14.1 | 22, 42 |' in (tmp_path / 'necks.md').read_text()
    tool.main([*args, '--seeds', '3'])
    assert len(calls) == 6
    monkeypatch.setitem(
        tool.EXPERIMENTS, 'pool', replace(tool.EXPERIMENTS['pool'], common={'train_dataloader.batch_size': 3})
    )
    with pytest.raises(tool.UserError, match='is of other settings or data: choose another --out-dir'):
        tool.main(args)


def test_a_run_that_failed_leaves_no_result(tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool, 'run_tool', lambda *_: 1)
    with pytest.raises(tool.UserError, match=r'did not finish: .*output.txt says why'):
        tool.main(['--experiments', 'pool', '--out-dir', str(tmp_path)])
    assert not (tmp_path / 'results').exists()


@pytest.mark.parametrize(
    ('args', 'says'),
    [
        (['--experiments', 'streets'], 'needs --data-root'),
        (['--budget', 'pool'], '--budget pool: give NAME=N'),
        (['--budget', 'other=3'], 'with one of gap, pool'),
        (['--seeds', '0'], '--seeds 0'),
    ],
)
def test_mistakes(tool: ModuleType, args: list[str], says: str) -> None:
    with pytest.raises(tool.UserError, match=says):
        tool.main(args)
