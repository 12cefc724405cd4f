"""Train with published and with local clusters, measure the clusters and the task's score over seeds, and sum up.

    python tools/cluster_study.py [--work-dir work_dirs/clusters] [--jobs 1] [--seeds 0 1 2] [--tasks NAME ...]
        [--variants NAME ...] [--folder DIR --classes NAME ... [--ignore-index LABEL] [--crop PIXELS]]
        [--baselines NAME ...] [--images N] [--iterations N] [--epochs N]

The tasks are those of the quick start, whose data have to be there (`make train TASK=…`, or tools/dataset_converters),
and `folder`, any segmentation data set in the layout of ADE20K: DIR/images/{training,validation} and
DIR/annotations/{training,validation}, label maps of the numbers of the classes. Each run trains one task with one
variant and one seed, by the tools that one would call by hand, in a folder of its own. A run that is there is not
repeated, and one that was stopped continues. `summary.{json,md}` and plots over the runs that are done are written
after each.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any

from mmengine.config import Config

from fec_mm.apis.models import project_folder
from fec_mm.cli.arguments import positive
from fec_mm.cli.jobs import run_jobs
from fec_mm.cli.run import run_cli
from fec_mm.cli.study import begin_run, run_step
from fec_mm.errors import UserError
from fec_mm.evaluation.baselines import BASELINES
from fec_mm.evaluation.cluster_summary import measure_lines, measure_table, score_table
from fec_mm.fileio import write_whole
from fec_mm.models.layers import PoolSettings

QUICKSTART = project_folder() / 'configs' / 'quickstart'
SCORES = {
    'folder': ('mIoU', 'mIoU (%)'),
    'segmentation': ('mIoU', 'mIoU (%)'),
    'detection': ('coco/bbox_mAP_50', 'box mAP50'),
    'classification': ('accuracy/top1', 'top-1 (%)'),
}
VARIANTS = ('published', 'local', 'local+loss')

Results = Mapping[tuple[str, str, int], Mapping[str, Any]]  # by task, variant and seed


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='The study of clusters that fit')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs', 'clusters'))
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time, each on one core; default: 1')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--tasks', nargs='+', choices=SCORES, help='default: those of the quick start, or the folder')
    parser.add_argument('--variants', nargs='+', choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument('--folder', type=Path, help='a segmentation data set in the layout of ADE20K')
    parser.add_argument('--classes', nargs='+', metavar='NAME', help='its classes, from label 0')
    parser.add_argument('--ignore-index', type=int, default=255, help='its label of pixels that do not count')
    parser.add_argument(
        '--baselines', nargs='*', choices=BASELINES, default=BASELINES, help='beside the clusters; default: all'
    )
    parser.add_argument('--images', type=positive, help='whose clusters are measured: the first N; default: all')
    parser.add_argument(
        '--iterations', type=positive, help='of training a segmenter; default: 600 on a folder, elsewhere 2000'
    )
    parser.add_argument(
        '--epochs', type=positive, help='of training a detector or classifier; default: those of the quick start'
    )
    parser.add_argument('--crop', type=positive, default=192, help='side of the crops of it; default: 192 pixels')
    args = parser.parse_args(argv)
    args.tasks = args.tasks or (['folder'] if args.folder else [name for name in SCORES if name != 'folder'])
    if 'folder' in args.tasks and not (args.folder and args.classes):
        parser.error('the task folder needs --folder DIR and --classes NAME ...')
    return args


def folder_config(args: argparse.Namespace) -> Config:
    """The quick start's segmenter on a folder.

    Raises:
        UserError: There is no image.
    """
    cfg = Config.fromfile(QUICKSTART / 'segmentation.py')
    images = sorted(path for path in (args.folder / 'images' / 'training').glob('[!.]*.*') if path.is_file())
    if not images:
        raise UserError(f'--folder {args.folder}: no image in images/training: give a data set in the layout of ADE20K')
    names = args.classes
    data = dict(
        data_root=str(args.folder.resolve()),
        img_suffix=images[0].suffix,
        metainfo=dict(classes=names, palette=[[97 * i % 256, 90, 41 * i % 256] for i in range(len(names))]),
    )
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.update(data)
    cfg.val_dataloader.batch_size = cfg.test_dataloader.batch_size = 4
    cfg.train_dataloader.dataset.pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='RandomCrop', crop_size=(args.crop, args.crop), ignore_index=args.ignore_index),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PackSegInputs'),
    ]
    cfg.model.data_preprocessor.update(size=(args.crop, args.crop), seg_pad_val=args.ignore_index)
    cfg.model.decode_head.update(num_classes=len(names), ignore_index=args.ignore_index)
    cfg.val_evaluator.ignore_index = cfg.test_evaluator.ignore_index = args.ignore_index
    iterations = args.iterations or 600
    cfg.train_cfg.max_iters = cfg.train_cfg.val_interval = iterations
    cfg.param_scheduler.total_steps = iterations
    cfg.default_hooks.checkpoint.interval = min(100, iterations)
    return cfg


def config(args: argparse.Namespace, task: str, variant: str, seed: int) -> Config:
    """The config of a run."""
    cfg = folder_config(args) if task == 'folder' else Config.fromfile(QUICKSTART / f'{task}.py')
    cfg.randomness = dict(seed=seed)
    if task == 'segmentation' and args.iterations:
        cfg.train_cfg.max_iters = cfg.train_cfg.val_interval = args.iterations
        cfg.param_scheduler.total_steps = args.iterations * 5 // 4  # see the config
    if task in ('detection', 'classification') and args.epochs:
        cfg.train_cfg.max_epochs = cfg.train_cfg.val_interval = cfg.param_scheduler.total_steps = args.epochs
    if variant != 'published':
        cfg.model.backbone.pool = asdict(PoolSettings())  # the defaults, told for the record
    if variant == 'local+loss':
        loss: dict[str, Any] = dict(type='fec_mm.ClusterConsistencyLoss', target='colours')
        if cfg.default_scope == 'mmseg':
            head = cfg.model.decode_head
            loss.update(target='labels', num_classes=head.num_classes, ignore_index=head.get('ignore_index', 255))
        cfg.custom_hooks = [*cfg.get('custom_hooks', []), dict(type='fec_mm.ClusterLossHook', loss=loss)]
    return cfg


def run(
    folder: Path,
    cfg: Config,
    task: str,
    untrained: bool = True,
    baselines: Sequence[str] = BASELINES,
    images: int | None = None,
) -> dict[str, Any]:
    """Train and measure in `folder`, or what is left of that. What was measured otherwise is measured anew.

    Args:
        untrained: Whether to measure the clusters of the model as initialised, too.
        baselines: What to measure beside them.
        images: How many to measure the clusters of. Default: all.

    Returns:
        `score`, and of a segmenter the `rows` of eval_cluster_maps.py and how they were `measured`.

    Raises:
        UserError: A tool failed; what it said is in `folder/log`.
    """
    file, result = begin_run(folder, cfg), folder / 'result.json'
    measured = dict(baselines=list(baselines), images=images, untrained=untrained)
    if result.is_file():
        before: dict[str, Any] = json.loads(result.read_text())
        if 'rows' not in before or before.get('measured') == measured:
            return before
    metrics = folder / 'metrics.json'
    if not metrics.is_file():
        run_step(folder, 'train.py', file, '--work-dir', folder / 'train', '--resume')
    checkpoint = (folder / 'train' / 'last_checkpoint').read_text().strip()
    if not metrics.is_file():
        out = ('--out', metrics, '--out-item', 'metrics')
        run_step(folder, 'test.py', file, checkpoint, '--work-dir', folder / 'test', *out)
    found: dict[str, Any] = dict(score=json.loads(metrics.read_text())[SCORES[task][0]])
    if cfg.default_scope == 'mmseg':
        options: list[object] = ['--baselines', *baselines, '--checkpoint', checkpoint]
        options += ['--cfg-options', f'test_dataloader.dataset.indices={images}'] if images else []
        options += ['--out-dir', folder / 'maps']
        run_step(folder, 'analysis_tools/eval_cluster_maps.py', file, *options, *['--untrained'][: int(untrained)])
        found['rows'] = json.loads((folder / 'maps' / 'cluster_maps.json').read_text())['rows']
        found['measured'] = measured
    write_whole(result, json.dumps(found))
    print(f'{folder.name}: done', flush=True)
    return found


def write_summary(work_dir: Path, results: Results) -> None:
    """Write `summary.md`, `summary.json`, and plots of the measures of each task that has label maps."""
    from fec_mm.visualization.cluster_figures import measure_figure

    runs = [dict(task=task, variant=variant, seed=seed, **found) for (task, variant, seed), found in results.items()]
    parts = [score_table(runs, {task: title for task, (_, title) in SCORES.items()})]
    for task in dict.fromkeys(each['task'] for each in runs if 'rows' in each):
        own = [each for each in runs if each['task'] == task]
        parts += [f'\n## {task}\n', measure_table(own)]
        picture = BytesIO()
        measure_figure(measure_lines(own)).savefig(picture, format='png', dpi=100)
        write_whole(work_dir / f'{task}.png', picture.getvalue())
    write_whole(work_dir / 'summary.json', json.dumps(runs, indent=1))
    write_whole(work_dir / 'summary.md', '\n'.join([*parts, '']))


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    results: dict[tuple[str, str, int], dict[str, Any]] = {}
    lock = Lock()

    def one(name: tuple[str, str, int]) -> None:
        task, variant, seed = name
        # As initialised, a model with the loss is the one without.
        found = run(
            args.work_dir / f'{task}_{variant}_{seed}',
            config(args, *name),
            task,
            variant != 'local+loss',
            args.baselines,
            args.images,
        )
        with lock:
            results[name] = found
            write_summary(args.work_dir, {key: results[key] for key in names if key in results})

    names = [(t, v, s) for t in args.tasks for s in args.seeds for v in args.variants]
    run_jobs(one, names, args.jobs)
    print((args.work_dir / 'summary.md').read_text())


if __name__ == '__main__':
    run_cli(main)
