"""The bench's driver: what it trains on, what it skips, how it sums up. The tools themselves are tested elsewhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from fec_mm.cli import backbone_bench
from fec_mm.cli.backbone_bench import Bench, mini_models, run
from fec_mm.cli.study import begin_run
from fec_mm.device.config_cases import costs, speeds
from fec_mm.errors import UserError
from fec_mm.evaluation.cluster_rows import MEASURES
from fec_mm.evaluation.layer_probe import probe

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools'))
import benchmark_backbones as bench

MODELS = mini_models()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes of 16 and 8 images: noise of three colours."""
    rng = np.random.default_rng(0)
    for split, number in (('train', 16), ('val', 8)):
        for i, name in enumerate(('blue', 'green', 'red')):
            (tmp_path / 'data' / split / name).mkdir(parents=True)
            for k in range(number):
                image = rng.integers(0, 80, (32, 32, 3), dtype=np.uint8)
                image[..., 2 - i] += 150
                Image.fromarray(image).save(tmp_path / 'data' / split / name / f'{k}.png')
    return tmp_path / 'data'


def test_models_are_of_one_size() -> None:
    found = costs({name: model['backbone'] for name, model in MODELS.items()}, 48)
    assert list(found) == list(MODELS)
    parameters = [each['parameters'] for each in found.values()]
    assert min(parameters) > 1.05e6 and max(parameters) < 1.25e6
    assert max(each['multiply_adds'] for each in found.values()) < 2 * min(
        each['multiply_adds'] for each in found.values()
    )


@pytest.mark.parametrize('name', MODELS)
def test_configs_differ_in_the_backbone_alone(name: str, folder: Path) -> None:
    first, cfg = (Bench(folder, 40, 3).config(model, 'classes', 7) for model in ('fec', name))
    assert cfg.model.backbone == MODELS[name]['backbone']
    assert cfg.model.head.in_channels == MODELS[name]['channels']
    for each in (first, cfg):
        each.model.pop('backbone')
        each.model.head.pop('in_channels')
    assert first.to_dict() == cfg.to_dict()


def test_classes_and_what_unites_them(folder: Path) -> None:
    made = Bench(folder, 40, 3)
    cfg, hidden = made.config('fec', 'classes', 7), made.config('fec', 'superclasses', 7)
    assert cfg.model.head.num_classes == cfg.data_preprocessor.num_classes == 3
    assert made.united() == [dict(name='blue-green-red', subclasses=[0, 1, 2])]
    assert hidden.model.head.num_classes == hidden.data_preprocessor.num_classes == 1
    for loader, split in ((hidden.train_dataloader, 'train'), (hidden.test_dataloader, 'val')):
        assert loader.dataset.type == 'fec_mm.SuperclassDataset' and loader.dataset.dataset.data_prefix == split
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.data_root == str(folder)
        assert dict(type='Resize', scale=40) in [dict(step) for step in loader.dataset.pipeline]
    flips = ['RandomFlip' in str(loader.dataset.pipeline) for loader in (cfg.train_dataloader, cfg.test_dataloader)]
    assert flips == [True, False] and cfg.randomness.seed == 7
    assert cfg.param_scheduler.total_steps == cfg.train_cfg.max_epochs == 3
    assert Config.fromstring(hidden.pretty_text, '.py').to_dict() == hidden.to_dict()


def test_digits() -> None:
    made = Bench()
    cfg = made.config('swin', 'superclasses', 0)
    assert [s['subclasses'] for s in made.united()] == [[0, 6], [1, 8], [2, 7], [3, 5], [4, 9]]
    assert cfg.model.head.num_classes == 5 and 'RandomFlip' not in cfg.pretty_text
    assert (
        Bench(superclasses=[dict(name='a', subclasses=[0, 1])]).config('swin', 'superclasses', 0).model.head.num_classes
        == 1
    )


@pytest.mark.parametrize('what', ['nothing', 'one class', 'other classes'])
def test_bad_folders_are_one_line(what: str, tmp_path: Path) -> None:
    for part in {'nothing': (), 'one class': ('train/a', 'val/a'), 'other classes': ('train/a', 'train/b', 'val/c')}[
        what
    ]:
        (tmp_path / part).mkdir(parents=True)
    with pytest.raises(UserError, match='expected the same two or more folders of classes in train and in val'):
        Bench(tmp_path).config('fec', 'classes', 0)


def fake_tool(folder: Path, name: str, *arguments: Any) -> None:
    """Leaves what a tool leaves."""
    rng = np.random.default_rng(int(folder.name[-1]) if folder.name[-1].isdigit() else 0)
    if name == 'train.py':
        (folder / 'train').mkdir(exist_ok=True)
        (folder / 'train/last_checkpoint').write_text('somewhere.pth\n')
    elif name == 'test.py':
        (folder / 'metrics.json').write_text(json.dumps({'accuracy/top1': 60.0 + 2 * int(folder.name[-1])}))
    elif name.endswith('cluster_health.py'):
        layers = ('stages.0.0.mixer', 'stages.3.0.mixer', 'downsamples.0')
        rows = [dict(layer=layer, **{m: float(rng.random()) for m in MEASURES}) for layer in layers]
        rows[1].update(used=None, entropy=None)
        (folder / 'clusters.json').write_text(json.dumps(rows))
    elif name.endswith('probe_clusters.py'):
        labels = np.arange(80) % 4
        found = {n: probe(rng.normal(size=(80, 3)) + 9 * labels[:, None], labels, labels // 2) for n in ('a', 'head')}
        (folder / 'probe').mkdir()
        results = dict(layers=found, accuracy_on_trained_labels=0.9)
        (folder / 'probe/results.json').write_text(json.dumps(results))


def test_runs_only_what_is_missing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []

    def tool(folder: Path, name: str, *arguments: Any) -> None:
        call = f'{folder.name} {name}'
        called.append(call)
        if call == 'fec_classes_0 test.py' and called.count(call) == 1:  # it is stopped after its training
            raise KeyboardInterrupt
        if call == 'fec_classes_1 train.py' and called.count(call) == 1:  # it fails, and the others go on
            raise UserError('no luck')
        fake_tool(folder, name, *arguments)

    monkeypatch.setattr(backbone_bench, 'run_step', tool)
    work_dir = tmp_path / 'work'
    argv = ['--work-dir', str(work_dir), '--data', str(folder), '--models', 'fec', 'resnet', '--seeds', '0', '1']
    argv += ['--parts', 'classes', 'superclasses']
    with pytest.raises(KeyboardInterrupt):
        bench.main(argv)
    with pytest.raises(UserError, match='1 of 8 runs failed, call again to continue; first: no luck'):
        bench.main(argv)
    bench.main(argv)
    assert called[:2] == ['fec_classes_0 train.py', 'fec_classes_0 test.py']
    assert called.count('fec_classes_0 train.py') == 1 and called.count('fec_classes_0 test.py') == 2
    assert called.count('fec_classes_1 train.py') == 2 and called.count('resnet_superclasses_1 train.py') == 1
    assert not any('resnet' in call and 'health' in call for call in called)
    done = len(called)
    bench.main(argv)
    assert len(called) == done
    text = (work_dir / 'summary.md').read_text()
    assert '| fec | 1,193,066 |' in text and '| 61.00 ± 1.41 | 60.00, 62.00 | 90.00 ± 0.00 |' in text
    assert '| fec | encode layers |' in text and '| fec | pooling layers |' in text and '| swin |' not in text
    assert {path.name for path in work_dir.iterdir() if path.is_file()} == {'summary.json', 'summary.md', 'cost.png'}
    with pytest.raises(UserError, match='is of other settings'):
        bench.main([*argv, '--epochs', '3'])


def test_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbone_bench, 'run_step', fake_tool)
    cfg = Bench().config('fec', 'superclasses', 3)
    file = begin_run(tmp_path / 'fec_superclasses_3', cfg)
    found = run(file, cfg, 'fec', 'superclasses', 3)
    assert (found['model'], found['part'], found['seed'], found['accuracy']) == ('fec', 'superclasses', 3, 90.0)
    layers = json.loads((tmp_path / 'fec_superclasses_3/probe/results.json').read_text())['layers']
    scores = {name: layer['within']['1']['ami']['mean'] for name, layer in layers.items()}
    assert found['probe']['within ami'] == dict(head=scores['head'], best=max(scores.values()))


@pytest.mark.slow
def test_speeds() -> None:
    found = speeds({name: MODELS[name]['backbone'] for name in ('fec', 'swin')}, 32, 2, 'cpu', 1)
    assert all(set(each) == {'eval', 'train', 'peak_mib'} and each['train'] > 0 for each in found.values())


def test_no_gpu_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    with pytest.raises(UserError, match='--device cuda: torch finds no GPU here'):
        bench.main(['--work-dir', str(tmp_path), '--parts', 'speed', '--device', 'cuda'])


@pytest.mark.slow
def test_whole_bench_of_a_tiny_folder(folder: Path, tmp_path: Path) -> None:
    argv = ['--data', str(folder), '--models', 'cluenet', 'resnet', '--seeds', '0', '--epochs', '1', '--size', '32']
    (tmp_path / 'pairs.json').write_text(json.dumps([dict(subclasses=[0, 1]), dict(subclasses=[2])]))
    argv += ['--superclasses', str(tmp_path / 'pairs.json'), '--work-dir', str(tmp_path / 'bench'), '--repeats', '1']
    bench.main([*argv, '--batch', '4'])
    summary = json.loads((tmp_path / 'bench/summary.json').read_text())
    assert [(r['model'], r['part'], bool(r.get('clusters'))) for r in summary['runs']] != []
    assert len(summary['runs']) == 4 and len(next(iter(summary['speeds'].values()))) == 2
    assert (tmp_path / 'bench/cost.png').stat().st_size > 10_000
