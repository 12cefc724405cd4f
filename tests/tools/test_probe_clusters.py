"""The probe end to end on quick-start digits: in validation, as a tool, after a stop, in several processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fec_mm.cli import probe, train
from fec_mm.datasets.digits import load_digits
from fec_mm.evaluation.feature_store import FeatureWriter
from fec_mm.evaluation.probe_report import markdown, page

PER_CLASS = 12
CONFIG = """
_base_ = ['{probing}/_base_/models/fec-mini.py', '{probing}/_base_/tasks/digits.py']
model = dict(head=dict(num_classes=_base_.num_superclasses), backbone=dict(arch=dict(
    depths=(1, 1), embed_dims=(8, 12), num_heads=(2, 2), head_dims=(4, 4), mlp_ratios=(2, 2), centers_per_side=(2, 2),
    regions_per_side=(1, 1))))
model['head']['in_channels'] = 12
train_dataloader = val_dataloader = test_dataloader = dict(
    batch_size=25, dataset=dict(dataset=dict(data_root='{root}/digits')))
train_cfg = dict(max_epochs=1, val_interval=1)
param_scheduler = dict(total_steps=1)
custom_hooks = [dict(type='fec_mm.ClusterProbeHook')]
val_evaluator = [dict(type='Accuracy', topk=(1, )), dict(type='fec_mm.ClusterProbeMetric')]
"""
LAYERS = ['backbone.stages.0', 'backbone.stages.1', 'head']


@pytest.fixture(scope='module')
def trained_digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Config and checkpoint of an epoch on a few digits; `work/*/vis_data/scalars.json` has the metrics."""
    root = tmp_path_factory.mktemp('digits')
    for split, digits in load_digits().items():
        for label in range(10):
            (root / 'digits' / split / str(label)).mkdir(parents=True)
            for i, image in enumerate(digits.images[digits.labels == label][:PER_CLASS]):
                Image.fromarray(image).save(root / f'digits/{split}/{label}/{i}.png')
    config = root / 'config.py'
    config.write_text(CONFIG.format(probing=Path(__file__).parents[2] / 'configs/probing', root=root))
    train.main([str(config), '--work-dir', str(root / 'work')])
    return config, root / 'work' / 'epoch_1.pth'


def run(trained: tuple[Path, Path], out: Path, *options: object) -> dict[str, Any]:
    config, checkpoint = trained
    command = (config, checkpoint, '--out-dir', out, '--work-dir', config.parent / 'test', '--seeds', 0, *options)
    return probe.main([str(word) for word in command])


@pytest.fixture(scope='module')
def probed(trained_digits: tuple[Path, Path]) -> tuple[Path, dict[str, Any]]:
    out = trained_digits[0].parent / 'probe'
    return out, run(trained_digits, out, '--k', 1, 2)


def test_report(probed: tuple[Path, dict[str, Any]]) -> None:
    out, results = probed
    assert json.loads((out / 'results.json').read_text()) == results
    assert list(results['layers']) == LAYERS and results['samples'] == 10 * PER_CLASS
    assert results['superclasses'] == ['0-6', '1-8', '2-7', '3-5', '4-9'] and results['subclasses'] == list(
        '0618273549'
    )
    for layer in results['layers'].values():
        assert set(layer['global']) == set(layer['within']) == {'1', '2'}
        assert 0.1 < layer['read_out']['linear']['mean'] <= 1 and 0.1 <= layer['global']['1']['purity']['mean'] <= 1
    lines = (out / 'results.md').read_text().splitlines()
    assert len(lines) == 2 + 2 * len(LAYERS) and {line.count('|') for line in lines} == {lines[0].count('|')}
    for name in ('layers', 'confusion', 'embedding'):
        assert Image.open(out / f'{name}.png').size > (300, 300)
    text = (out / 'index.html').read_text()
    assert text.count('data:image/png;base64,') == 3 and 'http' not in text.replace('data:', '')


def test_features_are_those_of_the_images_in_order(probed: tuple[Path, dict[str, Any]]) -> None:
    labels = np.load(probed[0] / 'features' / 'labels.npy')
    original = np.repeat(np.arange(10), PER_CLASS)  # CustomDataset: folder by folder
    assert [int('0618273549'[i]) for i in labels[:, 0]] == original.tolist()
    assert (labels[:, 1] == labels[:, 0] // 2).all() and (labels[:, 2] == labels[:, 1]).all()
    assert (labels[:, 2] == labels[:, 3]).mean() == pytest.approx(probed[1]['accuracy_on_trained_labels'])


def test_metric_in_validation_equals_the_tool(
    trained_digits: tuple[Path, Path], probed: tuple[Path, dict[str, Any]]
) -> None:
    lines = next((trained_digits[1].parent).glob('*/vis_data/scalars.json')).read_text().splitlines()
    scalars = next(s for s in map(json.loads, lines) if 'accuracy/top1' in s)
    for layer in LAYERS:
        found = probed[1]['layers'][layer]
        assert scalars[f'probe/{layer}/ami'] == pytest.approx(found['global']['1']['ami']['mean'], abs=0.02)
        assert scalars[f'probe/{layer}/within_ami'] == pytest.approx(found['within']['1']['ami']['mean'], abs=0.02)
        assert scalars[f'probe/{layer}/linear'] == pytest.approx(found['read_out']['linear']['mean'], abs=0.02)


def test_continues_after_a_stop(
    trained_digits: tuple[Path, Path],
    probed: tuple[Path, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stopped in its fourth batch, it runs the model on what is left; stopped in its report, on nothing."""
    batches = []
    append = FeatureWriter.append

    def count(writer: FeatureWriter, columns: dict[str, np.ndarray]) -> None:
        if len(batches) == 3:
            batches.append(None)
            raise KeyboardInterrupt
        batches.append(columns)
        append(writer, columns)

    monkeypatch.setattr(probe, 'SAVE_EVERY', 2)
    monkeypatch.setattr(FeatureWriter, 'append', count)
    with pytest.raises(KeyboardInterrupt):
        run(trained_digits, tmp_path, '--k', 1, 2)
    assert not (tmp_path / 'features').exists()
    results = run(trained_digits, tmp_path, '--k', 1, 2)
    assert len(batches) == 3 + 1 + 3, 'two of five were saved'
    for layer in LAYERS:
        assert np.array_equal(*(np.load(folder / f'features/{layer}.npy') for folder in (tmp_path, probed[0])))
    assert results['layers'] == probed[1]['layers']
    monkeypatch.setattr('fec_mm.cli.probe.probe', None)
    assert run(trained_digits, tmp_path, '--k', 1, 2) == results and len(batches) == 7


def test_bad_input(trained_digits: tuple[Path, Path], tmp_path: Path, failure: Callable[..., str]) -> None:
    config, checkpoint = trained_digits
    common = (config, checkpoint, '--work-dir', tmp_path / 'work', '--out-dir', tmp_path / 'probe')
    assert "no module 'neckline'" in failure(probe.main, *common, '--layers', 'neckline')
    assert 'clusters per subclass are at least 1' in failure(probe.main, *common, '--k', 0)
    line = failure(probe.main, *common, '--k', 13, '--layers', 'head')
    assert 'layer head: cannot make 130 clusters of 120 samples' in line
    plain = config.with_name('plain.py')
    plain.write_text(
        f"_base_ = '{config}'\ntest_dataloader = dict(dataset=dict(_delete_=True, type='CustomDataset', "
        f"data_root='{config.parent}/digits', data_prefix='val'))\n"
    )
    assert 'wrap its data set in fec_mm.SuperclassDataset' in failure(probe.main, plain, *common[1:])
    assert 'another model' in failure(probe.main, *common, '--cfg-options', 'model.head.num_classes=4')
    assert not list((tmp_path / 'probe').glob('index.html'))


def test_names_are_escaped(probed: tuple[Path, dict[str, Any]]) -> None:
    name = '<script>alert("x")</script>|'
    results = {**probed[1], 'subclasses': [name], 'config': name}
    text = page(results, [['layer'], [name]], {})
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(text)
    assert 'script' not in tags and tags.count('td') > 5
    assert markdown([['a'], [name]]).splitlines()[2].count(r'\|') == 1


@pytest.mark.slow
def test_two_processes_find_the_same_features(
    trained_digits: tuple[Path, Path], probed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    config, checkpoint = trained_digits
    root = Path(__file__).parents[2]
    command = [
        sys.executable,
        '-m',
        'torch.distributed.run',
        '--nproc_per_node',
        '2',
        '--master_port',
        '29631',
        root / 'tools/analysis_tools/probe_clusters.py',
        config,
        checkpoint,
        '--out-dir',
        tmp_path / 'probe',
        '--work-dir',
        tmp_path / 'work',
        '--seeds',
        '0',
        '--k',
        '1',
        '2',
        '--launcher',
        'pytorch',
    ]
    result = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, env={**os.environ, 'OMP_NUM_THREADS': '1'}
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert sorted(p.name for p in (tmp_path / 'probe').iterdir() if p.is_dir()) == ['features']
    for layer in [*LAYERS, 'labels']:
        one, two = (np.load(folder / f'features/{layer}.npy') for folder in (probed[0], tmp_path / 'probe'))
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_it_ends_with_scores_and_draws_another_model_beside(
    probed: tuple[Path, dict[str, Any]],
    trained_digits: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    failure: Callable[..., str],
) -> None:
    out, results = probed
    run(trained_digits, tmp_path / 'new', '--k', 1, '--layers', 'head', '--compare', out)
    best, report = capsys.readouterr().out.splitlines()[-2:]
    layer = results['layers']['head']
    assert best.startswith(f'best layer head: AMI {layer["global"]["1"]["ami"]["mean"]:.3f} ± 0.000, AMI within')
    assert report == f'report: {tmp_path}/new/index.html'
    assert Image.open(tmp_path / 'new/compared.png').width == 1080  # that of a page
    config, checkpoint = trained_digits
    assert 'has no results.json' in failure(probe.main, config, checkpoint, '--compare', tmp_path)
