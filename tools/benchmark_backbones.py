"""Train clustering backbones and others of their size alike, and measure how accurate, costly and healthy they are.

    python tools/benchmark_backbones.py [--work-dir work_dirs/backbones] [--data DIR] [--superclasses FILE] [--jobs 1]
        [--seeds 0 1 2] [--models NAME ...] [--epochs 12] [--size 48] [--parts classes superclasses speed]
        [--device NAME]

The models are those of configs/_base_/models/minis.py, of about a million parameters each, the recipe is that of the
quick start's classifier, and the data are its digits, or DIR with train/<class>/ and val/<class>/. Each run is of one
model and seed, by the tools that one would call by hand, in a folder of its own, on one core: 'classes' trains a
classifier, tests it and measures its clusters; 'superclasses' trains on pairs of classes, and probes for the classes
that it was not told. 'speed', images per second and memory, comes after all runs, a model at a time: call it alone
where nothing else runs, or for another device. A run that is there is not repeated, and one that was stopped continues.
`summary.{json,md}` is written after each run, `cost.png` at the end.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import platform
import re
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from fec_mm.cli.arguments import positive
from fec_mm.cli.backbone_bench import PARTS, Bench, mini_models, run
from fec_mm.cli.jobs import run_jobs
from fec_mm.cli.run import run_cli
from fec_mm.cli.study import begin_run, run_step
from fec_mm.device.config_cases import costs, speeds
from fec_mm.errors import UserError
from fec_mm.evaluation import backbone_summary as summary
from fec_mm.fileio import write_whole
from fec_mm.visualization.backbone_figures import cost_figure

SPEED = 'speed'
# In words; others as the config has them.
NAMES = {
    'fec': 'FEC',
    'fec-local': 'FEC, local clusters',
    'context-cluster': 'Context Cluster',
    'enformer': 'EnFormer',
    'cluenet': 'CLUENet',
    'resnet': 'ResNet',
    'poolformer': 'PoolFormer',
    'swin': 'Swin',
}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='One bench for small backbones')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs', 'backbones'))
    parser.add_argument('--data', type=Path, help='folder of train/<class>/ and val/<class>/; default: digits')
    parser.add_argument('--superclasses', type=Path, help='JSON: [{"name": ..., "subclasses": [indices]}, ...]')
    parser.add_argument('--jobs', type=positive, default=1, help='runs at a time, each on one core; default: 1')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--models', nargs='+', choices=list(mini_models()), default=list(mini_models()))
    parser.add_argument('--epochs', type=positive, default=12, help='of training; default: 12')
    parser.add_argument('--size', type=positive, default=48, help='side that images are resized to; default: 48')
    parser.add_argument('--parts', nargs='+', choices=[*PARTS, SPEED], default=[*PARTS, SPEED])
    parser.add_argument('--device', help='that speed is measured on; default: a GPU if there is one')
    parser.add_argument('--batch', type=positive, default=64, help='images at a time of speed; default: 64')
    parser.add_argument('--repeats', type=positive, default=9, help='turns of speed, whose medians count; default: 9')
    return parser.parse_args(argv)


def bench_of(args: argparse.Namespace) -> Bench:
    """What the command line asks for.

    Raises:
        UserError: Data or superclasses that cannot be read.
    """
    superclasses = None
    if args.superclasses:
        try:
            superclasses = json.loads(args.superclasses.read_text())
        except (OSError, ValueError) as error:
            raise UserError(f'--superclasses {args.superclasses}: cannot be read ({error})') from error
    if args.data is None:
        data = Path(os.environ.get('FEC_DATA', 'data'), 'digits')  # where the configs look
        run_step(args.work_dir, 'dataset_converters/digits.py', '--out-dir', data)
    bench = Bench(args.data, args.size, args.epochs, superclasses)
    bench.united()
    return bench


def train(args: argparse.Namespace, bench: Bench) -> None:
    """All runs, with the tables written anew after each.

    Raises:
        UserError: A folder is of other settings, before anything runs; or some runs failed, and the others went on.
    """
    names = [(m, p, s) for s in args.seeds for p in PARTS if p in args.parts for m in args.models]
    configs = {name: bench.config(*name) for name in names}
    # Before there are threads: what lays a config out as text is not made for several.
    files = {name: begin_run(args.work_dir / '_'.join(map(str, name)), cfg) for name, cfg in configs.items()}
    lock = Lock()
    failures: list[str] = []

    def one(name: tuple[str, str, int]) -> None:
        try:
            run(files[name], configs[name], *name)
        except UserError as error:
            print(f'error: {error}', flush=True)
            failures.append(str(error))
        with lock:
            write_tables(args.work_dir, args.size)

    run_jobs(one, names, args.jobs)
    if failures:
        raise UserError(f'{len(failures)} of {len(names)} runs failed, call again to continue; first: {failures[0]}')


def time_models(args: argparse.Namespace) -> None:
    """Write `speed_<device>.json`, if it is not there.

    Raises:
        UserError: There is no such device.
    """
    device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    if device != 'cpu' and not torch.cuda.is_available():
        raise UserError(f'--device {device}: torch finds no GPU here; use --device cpu')
    what = f'{platform.machine()}, {torch.get_num_threads()} threads'
    if device != 'cpu':
        what = torch.cuda.get_device_name(device)
    settings = dict(device=what, size=args.size, batch=args.batch, torch=torch.__version__, models=args.models)
    file = args.work_dir / f'speed_{re.sub("[^A-Za-z0-9]+", "-", what)}.json'
    if file.is_file() and json.loads(file.read_text())['settings'] == settings:
        return
    models = mini_models()
    backbones = {name: models[name]['backbone'] for name in args.models}
    found = speeds(backbones, args.size, args.batch, device, args.repeats)
    write_whole(file, json.dumps(dict(settings=settings, speeds=found), indent=1))


def write_tables(work_dir: Path, size: int) -> dict[str, Any]:
    """Write `summary.json`, which is returned, and `summary.md`, of all that is finished in the folder."""
    runs = [json.loads(path.read_text()) for path in work_dir.glob('*/result.json')]
    runs.sort(key=lambda each: each['seed'])
    timed = [json.loads(path.read_text()) for path in sorted(work_dir.glob('speed_*.json'))]
    found: dict[str, Any] = dict(
        costs=all_costs(size), speeds={each['settings']['device']: each['speeds'] for each in timed}, runs=runs
    )
    there = {each['model'] for each in runs}.union(*(each['speeds'] for each in timed))
    shown = {model: cost for model, cost in found['costs'].items() if model in there}
    parts = {
        '## Accuracy, and hidden subclasses': summary.score_table(runs, shown),
        '## Speed': summary.speed_table(found['speeds']),
        '## Health of clusters': summary.health_table(runs, shown),
        '## Clusters of each layer': summary.layer_table(runs, shown),
    }
    write_whole(work_dir / 'summary.json', json.dumps(found, indent=1))
    write_whole(work_dir / 'summary.md', '\n'.join(f'{title}\n\n{table}' for title, table in parts.items()))
    return found


@functools.lru_cache
def all_costs(size: int) -> dict[str, dict[str, float]]:
    """Of every model, at this size."""
    return costs({name: model['backbone'] for name, model in mini_models().items()}, size)


def draw(work_dir: Path, found: dict[str, Any]) -> None:
    """Write `cost.png`."""
    against = {
        'parameters (10⁶), fewer are better': {
            model: cost['parameters'] / 1e6 for model, cost in found['costs'].items()
        },
        'multiply-adds (10⁶), fewer are better': {
            model: cost['multiply_adds'] / 1e6 for model, cost in found['costs'].items()
        },
    }
    for device, models in found['speeds'].items():
        against[f'images/s in training, more are better\n{device}'] = {
            model: each['train'] for model, each in models.items()
        }
    against = {title: {NAMES.get(model, model): n for model, n in each.items()} for title, each in against.items()}
    picture, means = (
        BytesIO(),
        {NAMES.get(model, model): summary.accuracies(found['runs'], model) for model in found['costs']},
    )
    cost_figure(means, against, 'top-1 accuracy (%), higher is better').savefig(picture, format='png', dpi=100)
    write_whole(work_dir / 'cost.png', picture.getvalue())


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    all_costs(args.size)  # before there are threads
    if set(PARTS) & set(args.parts):
        train(args, bench_of(args))
    if SPEED in args.parts:
        time_models(args)
    draw(args.work_dir, write_tables(args.work_dir, args.size))
    print((args.work_dir / 'summary.md').read_text())


if __name__ == '__main__':
    run_cli(main)
