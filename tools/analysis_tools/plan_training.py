"""What training costs, and how long it takes on how many GPUs whose figures you give.

    python tools/analysis_tools/plan_training.py CONFIG [CONFIG ...]
    python tools/analysis_tools/plan_training.py CONFIG --gpus N [N ...] {--tflops T | --seconds-per-image S}
    --bandwidth GB/S
        [--latency MICROSECONDS] [--memory GIB] [--images N] [--launch MICROSECONDS] [--memory-bandwidth GB/S]

The first form prints what a step of each config costs, memory measured. The second plans the config's schedule by the
model of fec_mm/evaluation/scaling.py, whose assumptions it prints.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from fec_mm.cli.arguments import image_size, positive, quantity
from fec_mm.cli.config import CfgOptions, common_options, load_config
from fec_mm.cli.run import run_cli
from fec_mm.errors import UserError
from fec_mm.evaluation import scaling
from fec_mm.evaluation.training_cost import Cost, cost, image_shape
from fec_mm.toolboxes.table import TOOLBOXES

# Training images: of an annotation file's name, or of a dataset class.
IMAGES = {
    'instances_train2017.json': (117_266, 'COCO train2017 without the 1,021 images that have no usable annotation'),
    'ImageNet': (1_281_167, 'ImageNet-1K, ILSVRC 2012'),
    'ADE20KDataset': (20_210, 'ADE20K, ADEChallengeData2016'),
}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='What training costs, and how long it takes')
    parser.add_argument('configs', nargs='+', metavar='CONFIG')
    parser.add_argument(
        '--gpus', nargs='+', type=positive, default=[1, 4, 8, 64, 1024], metavar='N', help='rows of the plan'
    )
    speed = parser.add_mutually_exclusive_group()
    speed.add_argument(
        '--tflops', type=quantity, help='10¹² operations per second that a GPU reaches in training, not its peak'
    )
    speed.add_argument('--seconds-per-image', type=quantity, help='measured on one: forward and backward')
    parser.add_argument(
        '--bandwidth', type=quantity, help="between GPUs, 10⁹ bytes per second: nccl-tests' bus bandwidth"
    )
    parser.add_argument('--latency', type=quantity, default=10.0, help='of a message, microseconds; default: 10')
    parser.add_argument(
        '--launch', type=quantity, help='of an operator, microseconds: a step takes as long as its launches, at least'
    )
    parser.add_argument(
        '--memory-bandwidth', type=quantity, help="of a GPU's memory, 10⁹ bytes per second: operators take as long"
    )
    parser.add_argument('--memory', type=quantity, help='of a GPU, GiB: the plan fills it')
    parser.add_argument(
        '--images', type=positive, help='in the training set, if it is not the full ImageNet, COCO or ADE20K'
    )
    parser.add_argument(
        '--size',
        type=image_size,
        metavar='SIDE|HxW',
        help='default: ' + ', '.join('{}x{} for {}'.format(*t.image_size, t.scope) for t in TOOLBOXES.values()),
    )
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions, metavar='KEY=VALUE', help='override settings')
    # What load_config wants to know of tools that run a runner.
    parser.set_defaults(work_dir=None, launcher='none', local_rank=0)
    args = parser.parse_args(argv)
    if (args.tflops or args.seconds_per_image) and not args.bandwidth:
        parser.error('a plan needs --bandwidth too')
    if not (args.tflops or args.seconds_per_image) and (args.bandwidth or args.memory):
        parser.error('a plan needs --tflops or --seconds-per-image')
    return args


def training_images(cfg: Config, given: int | None) -> tuple[int, str]:
    """How many, and where the number comes from.

    Raises:
        UserError: A data set that is not known.
    """
    if given:
        return given, '--images'
    dataset = cfg.train_dataloader.dataset
    for key in (Path(dataset.get('ann_file') or '').name, dataset.type):
        if key in IMAGES:
            return IMAGES[key]
    raise UserError(f'{cfg.filename}: the size of its {dataset.type} is not known; give --images N')


def show_plan(cfg: Config, args: argparse.Namespace, known: Cost) -> None:
    """Print the plan, with the recipe's total batch and with a constant batch per GPU."""
    total = (cfg.get('auto_scale_lr') or {}).get('base_batch_size')
    if total is None:
        raise UserError(
            f'{cfg.filename} does not say for which total batch it is: --cfg-options auto_scale_lr.base_batch_size=N'
        )
    images, source = training_images(cfg, args.images)
    epochs, iterations = cfg.train_cfg.get('max_epochs'), cfg.train_cfg.get('max_iters')
    seen = epochs * images if epochs else iterations * total
    print(
        f'{epochs or iterations:,} {"epochs" if epochs else "iterations"}, {seen:,} images seen, of {images:,} '
        f'({source})'
    )
    batch = cfg.train_dataloader.batch_size
    if known.memory is not None:
        # Weights, gradients and the two moments of Adam.
        batch = int((args.memory * 1024 - 4 * 4 * known.parameters / 2**20) / known.memory)
        if batch < 1:
            raise UserError(
                f'--memory {args.memory:g}: an image needs {known.memory / 1024:.1f} GiB beside the weights'
            )
        print(
            f'{args.memory:g} GiB hold {batch} images of {known.memory:.0f} MiB beside weights, gradients and two '
            f'moments'
        )
    seconds = args.seconds_per_image or scaling.image_seconds(
        known.multiply_adds, args.tflops * 1e12, known.moved or 0.0, (args.memory_bandwidth or 1.0) * 1e9
    )
    host = (known.launches or 0) * (args.launch or 0.0) * 1e-6
    if known.launches is not None and known.moved is not None:
        print(
            f'A step launches {known.launches:,} operators{_alone(cfg)}, which read and write '
            f'{known.moved / 1e6:,.0f} MB for an image'
        )
    network = scaling.Network(known.gradients, args.bandwidth * 1e9, args.latency * 1e-6)
    for title, plan in {
        f"the recipe's total batch of {total}": scaling.Plan(
            seen, seconds, network, total_batch=total, host_seconds=host
        ),
        f'{batch} images per GPU': scaling.Plan(seen, seconds, network, batch=batch, host_seconds=host),
    }.items():
        print(f'\nWith {title}:\n')
        print('| GPUs | images per GPU | computation ms | all-reduce ms | step ms | hours |\n|---|---|---|---|---|---|')
        for n in args.gpus:
            step = plan.step(n)
            if step is None:
                print(f'| {n} | fewer than one | | | | |')
                continue
            times = ' | '.join(f'{1e3 * t:.4g}' for t in (step.computation, step.communication, step.seconds))
            passes = f' in {-(-step.batch // batch)} passes' if step.batch > batch and known.memory else ''
            print(f'| {n} | {step.batch}{passes} | {times} | {plan.hours(step):.3g} |')
        first = plan.overtaken()
        print(
            '\nCommunication '
            + (
                f'takes longer than computation from {first} GPUs on'
                if first
                else 'never takes longer than computation, up to 1,024 GPUs or one image each'
            )
        )


def _alone(cfg: Config) -> str:
    """What is said of figures that are not of the whole model."""
    return ', backbone and neck' if cfg.default_scope == 'mmdet' else ''


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    planning = args.tflops or args.seconds_per_image
    if not planning:
        print(
            '| config | image | 10⁶ parameters | 10⁹ multiply-adds forward | 10¹² multiply-adds per step of | '
            'gradient MB | '
            'MiB per image | operators per step | MB moved per image |\n|---|---|---|---|---|---|---|---|---|'
        )
    for path in args.configs:
        cfg = load_config(path, ('model', 'train_dataloader', 'train_cfg'), **common_options(args))
        shape = image_shape(cfg, args.size)
        operators = not planning or args.launch is not None or args.memory_bandwidth is not None
        known = cost(cfg, shape, not planning or args.memory is not None, operators)
        if planning:
            print(f'{path}, images of {shape[1]}×{shape[2]}')
            show_plan(cfg, args, known)
            continue
        batch = cfg.train_dataloader.batch_size
        print(
            f'| {Path(path).stem} | {shape[1]}×{shape[2]} | {known.parameters / 1e6:.2f} | '
            f'{known.multiply_adds / 1e9:.2f} | '
            f'{3 * batch * known.multiply_adds / 1e12:.2f} ({batch} images) | {known.gradients / 1e6:.1f} | '
            f'{known.memory:.0f}{_alone(cfg)} | {known.launches:,}{_alone(cfg)} | '
            f'{(known.moved or 0) / 1e6:,.0f}{_alone(cfg)} |',
            flush=True,
        )
    if planning:
        print(
            f"\nAssumptions. {scaling.ASSUMPTIONS} Memory is a CPU's, in float32, of detectors backbone and neck alone."
        )


if __name__ == '__main__':
    run_cli(main)
