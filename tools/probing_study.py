"""Train small models on superclasses of digits, probe them, and sum up: what `make probe` runs.

    python tools/probing_study.py [--work-dir work_dirs/probing] [--jobs 2] [--seeds 0 1 2] [--models NAME ...]

Each run trains one model with one seed on look-alike ('natural') or unrelated pairs of digits, or on the digits
themselves ('subclass'), and probes it on held-out digits and on those of another source, by the tools that one would
call by hand, in a folder of its own. A run that is there is not repeated, and one that was stopped continues.
`summary.{json,md}` and plots over all runs are written at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from fec_mm.cli.jobs import run_jobs
from fec_mm.cli.run import run_cli
from fec_mm.cli.study import begin_run, run_step
from fec_mm.datasets.digits import load_digits, load_uci_digits
from fec_mm.evaluation.layer_probe import probe
from fec_mm.evaluation.probe_report import markdown, score
from fec_mm.fileio import write_whole
from fec_mm.visualization.probe_figures import layer_figure

TOOLS = Path(__file__).resolve().parent
BASE = TOOLS.parent / 'configs' / 'probing' / '_base_'
MODELS = ('fec-mini', 'resnet-mini', 'vit-mini', 'resnet-mini-gn', 'resnet-mini-ln')
GROUPINGS = ('natural', 'unrelated', 'subclass')
UCI = 'uci'  # the other source of digits
# What the summary shows of each layer: where it is in a run's results.
SCORES = {
    'all AMI': ('layers', 'global', 'ami'),
    'within AMI': ('layers', 'within', 'ami'),
    'within accuracy': ('layers', 'within', 'accuracy'),
    'linear': ('layers', 'read_out', 'linear'),
    'UCI all AMI': (UCI, 'global', 'ami'),
}
PIXELS = 'pixels'
IN_WORDS = {  # in figures
    'fec-mini': 'FEC',
    'resnet-mini': 'ResNet, batch normalisation',
    'vit-mini': 'ViT',
    'resnet-mini-gn': 'ResNet, group normalisation',
    'resnet-mini-ln': 'ResNet, layer normalisation',
    'natural': 'trained on natural pairs',
    'unrelated': 'trained on unrelated pairs',
    'subclass': 'trained on the digits',
}

Runs = Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]  # results of the seeds by model and grouping


def config(model: str, grouping: str, seed: int) -> str:
    """The text of the config of a run."""
    base = f"_base_ = ['{BASE}/models/{model}.py', '{BASE}/tasks/digits.py']"
    if grouping == 'subclass':
        return '\n'.join(
            [
                base,
                'model = dict(head=dict(num_classes=_base_.num_subclasses))',
                'data_preprocessor = dict(num_classes=_base_.num_subclasses)',
                "train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(labels='subclass'))",
                f'randomness = dict(seed={seed})\n',
            ]
        )
    return '\n'.join(
        [
            base,
            'model = dict(head=dict(num_classes=_base_.num_superclasses))',
            f'train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(superclasses=_base_.{grouping}))',
            f'randomness = dict(seed={seed})\n',
        ]
    )


def run(folder: Path, text: str, uci: Path) -> dict[str, Any]:
    """Train and probe the config `text` in `folder`, or what is left of that.

    Args:
        uci: The other digits.

    Returns:
        The content of the probe's `results.json`, and under `uci` the layers of that of the other digits.

    Raises:
        UserError: A tool failed; what it said is in `folder/log`.
    """
    cfg = Config.fromstring(text, '.py')
    file = begin_run(folder, cfg)
    results = []
    for name, options in (
        ('probe', ()),
        (f'probe_{UCI}', ('--cfg-options', f'test_dataloader.dataset.dataset.data_root={uci}')),
    ):
        if not (folder / name / 'index.html').is_file():
            checkpoint = folder / 'train' / f'epoch_{cfg.max_epochs}.pth'
            if not checkpoint.is_file():
                run_step(folder, 'train.py', file, '--work-dir', folder / 'train', '--resume')
            run_step(
                folder,
                'analysis_tools/probe_clusters.py',
                file,
                checkpoint,
                '--k',
                1,
                '--work-dir',
                folder / 'test',
                '--out-dir',
                folder / name,
                *options,
            )
            print(f'{folder.name}: {name} done', flush=True)
        results.append(json.loads((folder / name / 'results.json').read_text()))
    return {**results[0], UCI: results[1]['layers']}


def pixel_scores() -> dict[str, dict[str, Any]]:
    """What the pixels alone give, by grouping, in the form of a layer of a run: the same probe on the held-out
    images."""
    task = Config.fromfile(BASE / 'tasks' / 'digits.py')
    found: dict[str, dict[str, Any]] = {}
    for grouping in GROUPINGS:
        superclass_of = {
            digit: i for i, pair in enumerate(task.get(grouping, task.natural)) for digit in pair['subclasses']
        }
        for domain, digits in (('layers', load_digits()['val']), (UCI, load_uci_digits())):
            superclasses = np.asarray([superclass_of[digit] for digit in digits.labels.tolist()])
            pixels = digits.images.reshape(len(digits.labels), -1) / 255.0
            found.setdefault(grouping, {})[domain] = {
                PIXELS: probe(pixels, digits.labels, superclasses, seeds=(0, 1, 2))
            }
    return found


def over_seeds(results: Sequence[Mapping[str, Any]], layer: str, key: tuple[str, str, str]) -> tuple[float, float]:
    """Mean and standard deviation (n − 1) over training seeds of a layer's mean score."""
    domain, *place = key
    values = [score(r[domain][layer], *place)['mean'] for r in results]
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def summary(runs: Runs, pixels: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """A row per model, grouping and layer, under a row of titles."""
    rows = [['model', 'superclasses', 'held-out superclass accuracy', 'layer', *SCORES]]
    for grouping, layer in pixels.items():
        rows.append(
            [PIXELS, grouping, '', '', *(f'{over_seeds([layer], PIXELS, key)[0]:.3f}' for key in SCORES.values())]
        )
    for (model, grouping), results in runs.items():
        accuracies = [r['accuracy_on_trained_labels'] for r in results]
        for i, layer in enumerate(results[0]['layers']):
            cells = ['{:.3f} ± {:.3f}'.format(*over_seeds(results, layer, key)) for key in SCORES.values()]
            first = [model, grouping, ', '.join(f'{100 * a:.1f}' for a in accuracies)] if i == 0 else ['', '', '']
            rows.append([*first, layer.removeprefix('backbone.'), *cells])
    return rows


def write_summary(work_dir: Path, runs: Runs) -> None:
    """Write `summary.md`, `summary.json`, and a plot of each score against the layer, the pixels' dashed."""
    pixels = pixel_scores()
    for title, key in SCORES.items():
        panels: dict[str, dict[str, dict[str, tuple[float, float]]]] = {}
        for (model, grouping), results in runs.items():
            layers = {layer: over_seeds(results, layer, key) for layer in results[0]['layers']}
            panels.setdefault(IN_WORDS.get(model, model), {})[IN_WORDS[grouping]] = layers
        picture = BytesIO()
        floor = {IN_WORDS[grouping]: over_seeds([layer], PIXELS, key)[0] for grouping, layer in pixels.items()}
        layer_figure(panels, f'{title} (higher is better)', floor).savefig(picture, format='png', dpi=100)
        write_whole(work_dir / f'{title.replace(" ", "_").lower()}.png', picture.getvalue())
    plain = [
        {'model': model, 'superclasses': grouping, 'seeds': [dict(r) for r in results]}
        for (model, grouping), results in runs.items()
    ]
    write_whole(work_dir / 'summary.json', json.dumps({'runs': plain, PIXELS: pixels}))
    write_whole(work_dir / 'summary.md', markdown(summary(runs, pixels)))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='The study of hidden subclasses, on digits')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs', 'probing'))
    parser.add_argument('--jobs', type=int, default=2, help='runs at a time, each on one core')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--models', nargs='+', choices=MODELS, default=list(MODELS))
    args = parser.parse_args(argv)
    data = Path(os.environ.get('FEC_DATA', 'data')).resolve()  # where the configs look
    for source, name in (('mnist', 'digits'), (UCI, 'uci_digits')):
        code = subprocess.run(
            [
                sys.executable,
                str(TOOLS / 'dataset_converters/digits.py'),
                '--source',
                source,
                '--out-dir',
                str(data / name),
            ]
        ).returncode
        if code:
            sys.exit(code)
    names = [(model, grouping, seed) for seed in args.seeds for model in args.models for grouping in GROUPINGS]
    results = run_jobs(
        lambda name: run(args.work_dir / '_'.join(map(str, name)), config(*name), data / 'uci_digits'), names, args.jobs
    )
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {(m, g): [] for m in args.models for g in GROUPINGS}
    for (model, grouping, _), result in zip(names, results):
        runs[model, grouping].append(result)
    write_summary(args.work_dir, runs)
    print((args.work_dir / 'summary.md').read_text())


if __name__ == '__main__':
    run_cli(main)
