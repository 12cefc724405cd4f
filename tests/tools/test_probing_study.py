"""The study's driver: what it trains on, what it skips, how it sums up. The tools themselves are tested elsewhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config

from fec_mm.errors import UserError
from fec_mm.evaluation.layer_probe import probe

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools'))
import probing_study as study


@pytest.mark.parametrize('model', study.MODELS)
@pytest.mark.parametrize('grouping', study.GROUPINGS)
def test_configs(tmp_path: Path, model: str, grouping: str) -> None:
    (tmp_path / 'x.py').write_text(study.config(model, grouping, 7))
    cfg = Config.fromfile(tmp_path / 'x.py')
    pairs = {'natural': [[0, 6], [1, 8], [2, 7], [3, 5], [4, 9]], 'unrelated': [[0, 3], [1, 5], [2, 9], [4, 8], [6, 7]]}
    for loader, split in ((cfg.train_dataloader, 'train'), (cfg.val_dataloader, 'val'), (cfg.test_dataloader, 'val')):
        assert [s.subclasses for s in loader.dataset.superclasses] == pairs.get(grouping, pairs['natural'])
        assert loader.dataset.dataset.data_prefix == split
        assert loader.dataset.get('labels', 'superclass') == ('subclass' if grouping == 'subclass' else 'superclass')
    assert cfg.model.head.num_classes == cfg.data_preprocessor.num_classes == (10 if grouping == 'subclass' else 5)
    assert cfg.randomness.seed == 7


def results(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    labels = np.arange(80) % 4
    layers = {
        name: probe(rng.normal(size=(80, 3)) + 9 * labels[:, None], labels, labels // 2)
        for name in ('backbone.a', 'head')
    }
    return {'layers': layers, 'accuracy_on_trained_labels': 0.9 + seed / 100}


def test_runs_only_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []

    def tool(folder: Path, name: str, *arguments: object) -> None:
        called.append(name)
        if name == 'train.py':
            (folder / 'train').mkdir()
            (folder / f'train/epoch_{Config.fromfile(arguments[0]).max_epochs}.pth').touch()
        elif len(called) > 2:  # the first time it is stopped
            out = Path(str(arguments[arguments.index('--out-dir') + 1]))
            out.mkdir()
            (out / 'results.json').write_text(json.dumps(results(int(out.name == 'probe_uci'))))
            (out / 'index.html').touch()
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr(study, 'run_step', tool)
    text = study.config('vit-mini', 'natural', 0)
    with pytest.raises(KeyboardInterrupt):
        study.run(tmp_path / 'run', text, tmp_path)
    probing, expected = 'analysis_tools/probe_clusters.py', {**results(), 'uci': results(1)['layers']}
    assert study.run(tmp_path / 'run', text, tmp_path) == expected and called == ['train.py', probing, probing, probing]
    assert study.run(tmp_path / 'run', text, tmp_path) == expected and len(called) == 4
    with pytest.raises(UserError, match='is of other settings'):
        study.run(tmp_path / 'run', f'{text}max_epochs = 1\n', tmp_path)


def test_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = {'pixels': results()['layers']['head']}
    monkeypatch.setattr(study, 'pixel_scores', lambda: {g: {'layers': pixels, 'uci': pixels} for g in study.GROUPINGS})
    runs = {('m', g): [{**results(s), 'uci': results(s)['layers']} for s in range(3)] for g in study.GROUPINGS}
    study.write_summary(tmp_path, runs)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        'all_ami.png',
        'linear.png',
        'summary.json',
        'summary.md',
        'uci_all_ami.png',
        'within_accuracy.png',
        'within_ami.png',
    ]
    rows = (tmp_path / 'summary.md').read_text().splitlines()
    assert len(rows) == 2 + 3 + 3 * 2
    assert rows[5].startswith('| m | natural | 90.0, 91.0, 92.0 | a | ')
    values = [r['layers']['head']['within']['1']['ami']['mean'] for r in runs['m', 'natural']]
    assert study.over_seeds(runs['m', 'natural'], 'head', ('layers', 'within', 'ami')) == pytest.approx(
        (np.mean(values), np.std(values, ddof=1))
    )
