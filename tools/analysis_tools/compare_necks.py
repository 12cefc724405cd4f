"""Compare the clustering necks and layers with what they replace, on the quick start's data.

    python tools/analysis_tools/compare_necks.py [--experiments NAME ...] [--seeds N] [--budget NAME=N ...] [--out-dir
    DIR]
        [--data-root DIR --classes N] [--jobs N]

One run for each experiment, variant and seed, with the same budget: epochs, or iterations for the segmentations. A
finished run leaves `DIR/results/<run>.json`, and is skipped from then on; one that was stopped continues at its last
checkpoint. At the end there are `DIR/necks.md`, means and standard deviations over the seeds, and `DIR/necks.png`, the
curves.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from fec_mm.cli.jobs import run_jobs, run_tool
from fec_mm.cli.run import run_cli
from fec_mm.errors import UserError
from fec_mm.fileio import AtomicBackend, whole_file
from fec_mm.visualization.curves import seeds_figure

TOOLS = Path(__file__).parents[1]
CONFIGS = TOOLS.parent / 'configs' / 'quickstart'
POINTS = 5  # evaluations in a run
PYRAMIDS: dict[str, dict[str, Any]] = {
    'FPN': {'model.neck.type': 'FPN'},
    'ClusterFPN': {'model.neck.type': 'fec_mm.ClusterFPN'},
}


@dataclass(frozen=True)
class Experiment:
    """What is compared: a quick-start config, and the settings of it that the variants change."""

    config: str
    metric: str
    budget: int
    variants: dict[str, dict[str, Any]]
    common: dict[str, Any]


# The last map of the quick start's classifier has four positions. Two stages of it leave 6×6, which is enough to
# cluster.
TWO_STAGES = {'model.backbone.out_indices': 1, 'model.head.in_channels': 64}
# Of weights over iterations: these schedules end at zero.
NO_AVERAGE: dict[str, Any] = {'custom_hooks': []}
EXPERIMENTS = {
    'gap': Experiment(
        'classification',
        'accuracy/top1',
        8,
        {'mean': {}, 'ClusterGAP': {'model.neck': dict(type='fec_mm.ClusterGAP', in_channels=64)}},
        TWO_STAGES,
    ),
    'pool': Experiment(
        'classification',
        'accuracy/top1',
        8,
        {'published': {}, 'learn_similarity': {'model.backbone.learn_similarity': True}},
        {},
    ),
    'detection': Experiment('detection', 'coco/bbox_mAP_50', 4, PYRAMIDS, {}),
    'segmentation': Experiment('segmentation', 'mIoU', 2000, PYRAMIDS, NO_AVERAGE),
}


def streets(root: str, classes: int) -> Experiment:
    """Segmentation of a data set in ADE20K's layout with labels 0 to classes − 1, and `classes` for void."""
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
    crop = [dict(type='RandomCrop', crop_size=(192, 192), ignore_index=classes), dict(type='RandomFlip', prob=0.5)]
    data: dict[str, Any] = dict(
        data_root=root,
        metainfo=dict(
            _delete_=True, classes=[str(i) for i in range(classes)], palette=[[i, i, i] for i in range(classes)]
        ),
    )
    return Experiment(
        'segmentation',
        'mIoU',
        500,
        PYRAMIDS,
        {
            **NO_AVERAGE,
            'model.data_preprocessor.seg_pad_val': classes,
            'model.decode_head.ignore_index': classes,
            'model.decode_head.num_classes': classes,
            'train_dataloader.dataset': {**data, 'pipeline': [*pipeline, *crop, dict(type='PackSegInputs')]},
            'val_dataloader.dataset': data,
            'test_dataloader.dataset': data,
            'val_evaluator.ignore_index': classes,
            'test_evaluator.ignore_index': classes,
        },
    )


@dataclass(frozen=True)
class Run:
    """One training."""

    name: str
    experiment: Experiment
    variant: str
    budget: int
    seed: int

    @property
    def id(self) -> str:
        return f'{self.name}_{self.variant}_{self.budget}_seed{self.seed}'

    def config(self) -> Config:
        cfg = Config.fromfile(CONFIGS / f'{self.experiment.config}.py')
        cfg.merge_from_dict(
            {**self.experiment.common, **self.experiment.variants[self.variant], 'randomness.seed': self.seed}
        )
        iterations = 'max_iters' in cfg.train_cfg
        cfg.train_cfg['max_iters' if iterations else 'max_epochs'] = cfg.param_scheduler.total_steps = self.budget
        cfg.train_cfg.val_interval = max(1, self.budget // POINTS)
        if iterations:
            cfg.default_hooks.checkpoint.interval = cfg.train_cfg.val_interval
        return cfg

    def finish(self, out_dir: Path) -> dict[str, Any]:
        """The run's result, from its file if it is there.

        Raises:
            UserError: The training failed, or what is there is of other settings or data.
        """
        result, work_dir = out_dir / 'results' / f'{self.id}.json', out_dir / 'runs' / self.id
        cfg, config, record = self.config(), work_dir / 'comparison.py', work_dir / 'settings.json'
        settings = json.dumps(cfg.to_dict(), sort_keys=True)
        if record.exists() and record.read_text() != settings:
            raise UserError(
                f'{work_dir} is of other settings or data: choose another --out-dir, or remove it and {result}'
            )
        if result.exists():
            return json.loads(result.read_text())
        work_dir.mkdir(parents=True, exist_ok=True)
        AtomicBackend().put_text(settings, record)
        cfg.dump(config)
        print(f'{self.id}: training', flush=True)
        code = run_tool(work_dir / 'output.txt', TOOLS / 'train.py', config, '--work-dir', work_dir, '--resume')
        curve = self.curve(work_dir)
        if code or not curve or max(curve) != self.budget:
            raise UserError(f'{self.id} did not finish: {work_dir}/output.txt says why; start again to continue')
        row = dict(
            experiment=self.name,
            variant=self.variant,
            budget=self.budget,
            seed=self.seed,
            metric=self.experiment.metric,
            curve=sorted(curve.items()),
        )
        AtomicBackend().put_text(json.dumps(row) + '\n', result)
        for checkpoint in work_dir.glob('*.pth'):
            checkpoint.unlink()
        return row

    def curve(self, work_dir: Path) -> dict[int, float]:
        """The metric by epoch or iteration, of all parts of an interrupted run."""
        lines = [
            json.loads(line)
            for file in sorted(work_dir.glob('*/vis_data/scalars.json'))
            for line in file.read_text().splitlines()
        ]
        return {line['step']: line[self.experiment.metric] for line in lines if self.experiment.metric in line}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown: mean and standard deviation of the last value, and the values."""
    lines = [
        '| experiment | variant | budget | metric | mean ± standard deviation | seeds |',
        '|---|---|---|---|---|---|',
    ]
    for key in dict.fromkeys((row['experiment'], row['variant'], row['budget'], row['metric']) for row in rows):
        last = [
            row['curve'][-1][1]
            for row in rows
            if (row['experiment'], row['variant'], row['budget'], row['metric']) == key
        ]
        spread = f' ± {statistics.stdev(last):.3g}' if len(last) > 1 else ''
        values = ', '.join(f'{x:.4g}' for x in last)
        lines.append(f'| {" | ".join(map(str, key))} | {statistics.mean(last):.4g}{spread} | {values} |')
    return '\n'.join(lines) + '\n'


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Compare the clustering necks and layers with what they replace')
    parser.add_argument(
        '--experiments', nargs='+', choices=[*EXPERIMENTS, 'streets'], help='default: all that have data'
    )
    parser.add_argument('--seeds', type=int, default=3, help='seeds 0 to N − 1')
    parser.add_argument(
        '--budget',
        nargs='+',
        default=[],
        metavar='NAME=N',
        help='epochs or iterations; default: those of docs/results/necks.md',
    )
    parser.add_argument('--data-root', help="a segmentation data set in ADE20K's layout, for the experiment `streets`")
    parser.add_argument('--classes', type=int, default=11, help='its labels are 0 to N − 1, and N for void')
    parser.add_argument('--out-dir', type=Path, default=Path('work_dirs/necks'))
    parser.add_argument('--jobs', type=int, default=2, help='runs at a time, each on one core')
    args = parser.parse_args(argv)
    known = dict(EXPERIMENTS)
    if args.data_root:
        known['streets'] = streets(str(Path(args.data_root).resolve()), args.classes)
    names = args.experiments or list(known)
    if not set(names) <= set(known):
        raise UserError(
            'the experiment streets needs --data-root DIR, with images/ and annotations/ as ADE20K has them'
        )
    if args.seeds < 1:
        raise UserError(f'--seeds {args.seeds}: give at least 1')
    budgets = {name: experiment.budget for name, experiment in known.items()}
    for text in args.budget:
        name, _, number = text.partition('=')
        if name not in known or not number.isdecimal() or int(number) < 1:
            raise UserError(f'--budget {text}: give NAME=N with one of {", ".join(known)} and at least 1')
        budgets[name] = int(number)
    runs = [
        Run(name, known[name], variant, budgets[name], seed)
        for seed in range(args.seeds)
        for name in names
        for variant in known[name].variants
    ]
    rows = run_jobs(lambda run: run.finish(args.out_dir), runs, args.jobs)
    rows.sort(key=lambda row: names.index(row['experiment']))
    AtomicBackend().put_text(table(rows), args.out_dir / 'necks.md')
    with whole_file(args.out_dir / 'necks.png') as part:
        seeds_figure(rows).savefig(part, dpi=100)
    print(table(rows), end='')


if __name__ == '__main__':
    run_cli(main)
