"""Time the backbones against the direct transcription of their clustering, and weigh their memory.

    python tools/analysis_tools/benchmark.py --task {classification,segmentation,detection} [--arch small base ...]
        [--size SIDE | HxW] [--batch B] [--mode eval train] [--peers resnet50 ...] [--launch compiled]
        [--scaling | --near | --count-operators] [--json FILE]

The backbone alone, forward (eval) or forward and backward (train), no optimizer. Fast and reference run in turn in one
process; their times are medians. Peak memory is measured in processes of its own, as the growth over just before the
first pass. The necessary products are the model's convolutions and linear maps on the shapes that the fast path needs,
timed alone. With `--count-operators` nothing is timed: operators that compute or copy, and what they move, are counted
(fec_mm/evaluation/operators.py). Otherwise nothing else should run on the machine meanwhile: ratios within one run
count, not seconds.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from fec_mm.cli.arguments import image_size, positive
from fec_mm.cli.run import run_cli
from fec_mm.device.cases import ARCHS, LAUNCHES, PEERS, PRECISIONS, TASKS, Case
from fec_mm.device.tables import table
from fec_mm.errors import UserError
from fec_mm.evaluation.operators import operators_of
from fec_mm.evaluation.timing import in_turn, necessary_products, peak_growth
from fec_mm.fileio import write_whole
from fec_mm.models import FEC
from fec_mm.models.backbones.staged_backbone import MIN_SIZE

SCALES = (0.25, 0.35, 0.5, 0.7, 1.0)


def peak(case: Case, implementation: str) -> float:
    """MiB over just before the first pass."""
    return peak_growth(case.step(case.build(implementation)), case.device)


def in_own_process(case: Case, implementation: str) -> float:
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
        return pool.submit(peak, case, implementation).result()


def measure(case: Case, repeats: int, memory: bool) -> dict[str, Any]:
    """One row; None where a column does not apply."""
    row = case.row()
    peer = case.arch in PEERS
    fast, plain = case.build(), replace(case, launch='eager')
    runs = [case.step(fast)]
    if not peer:
        runs += [plain.step(plain.build('reference')), necessary_products(plain.build(), case.images())]
    times = in_turn(runs, case.device, repeats)
    row.update(fast_s=times[0], images_per_s=case.batch / times[0])
    row.update(
        reference_s=None if peer else times[1],
        speedup=None if peer else times[1] / times[0],
        products_s=None if peer else times[2],
        over_products=None if peer else times[0] / times[2],
    )
    del fast, runs
    row.update(
        fast_peak_mib=in_own_process(case, 'fast') if memory else None,
        reference_peak_mib=in_own_process(case, 'reference') if memory and not peer else None,
    )
    return row


def scaling(case: Case, repeats: int) -> list[dict[str, Any]]:
    """Rows of the fast path alone at growing sizes, each side a multiple of 32."""
    rows = []
    for scale in SCALES:
        H, W = (max(MIN_SIZE, round(side * math.sqrt(scale) / 32) * 32) for side in case.size)
        smaller = replace(case, size=(H, W))
        (time_s,) = in_turn([smaller.step(smaller.build())], case.device, repeats)
        rows.append(
            {
                **smaller.row(),
                'pixels': case.batch * H * W,
                'fast_s': time_s,
                'fast_peak_mib': in_own_process(smaller, 'fast'),
            }
        )
    return rows


def with_near(case: Case) -> Case:
    return replace(case, options=(*case.options, ('pool', {'candidates': 'near'})))


def beside_near(case: Case, repeats: int, memory: bool) -> dict[str, Any]:
    """One row of the fast path, with the published pooling and with near candidates in turn."""
    cases = case, with_near(case)
    times = in_turn([each.step(each.build()) for each in cases], case.device, repeats)
    peaks = [in_own_process(each, 'fast') if memory else None for each in cases]
    return dict(
        case.row(),
        fast_s=times[0],
        near_s=times[1],
        near_ratio=times[1] / times[0],
        fast_peak_mib=peaks[0],
        near_peak_mib=peaks[1],
    )


def composition(case: Case) -> list[dict[str, Any]]:
    """Rows of what a pass is made of, of the fast path and of the reference."""
    rows = []
    for implementation in ('fast',) if case.arch in PEERS else ('fast', 'reference'):
        found = operators_of(case.step(case.build(implementation)))
        rows.append(
            dict(
                case.row(),
                implementation=implementation,
                operators=found.others.total(),
                products=found.products.total(),
                moved_mb=found.moved / case.batch / 1e6,
            )
        )
    return rows


def slope(rows: Sequence[dict[str, Any]], key: str) -> float:
    """The exponent k in key ∝ pixels^k, by least squares between logarithms."""
    return float(np.polyfit(np.log([row['pixels'] for row in rows]), np.log([row[key] for row in rows]), 1)[0])


COLUMNS = {
    'task': 'task',
    'arch': 'arch',
    'size': 'size',
    'batch': 'batch',
    'mode': 'mode',
    'precision': 'precision',
    'launch': 'launch',
    'implementation': 'implementation',
    'operators': 'operators beside products',
    'products': 'products',
    'moved_mb': 'MB moved per image',
    'fast_s': 'fast s',
    'reference_s': 'reference s',
    'speedup': 'speed-up',
    'over_products': 'over products',
    'images_per_s': 'images/s',
    'near_s': 'near s',
    'near_ratio': 'near / fast',
    'fast_peak_mib': 'fast MiB',
    'near_peak_mib': 'near MiB',
    'reference_peak_mib': 'reference MiB',
}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Time the fast clustering against its direct transcription')
    parser.add_argument('--task', choices=TASKS, default='classification', help='whose settings and default size')
    parser.add_argument('--arch', nargs='+', choices=ARCHS, default=['small'], help='FEC, or Context Cluster (coc-*)')
    parser.add_argument('--size', type=image_size, help='a side or HxW; default: 224, 512 or 800x1344')
    parser.add_argument('--batch', type=positive, help='images; default: 8, 1 or 1')
    parser.add_argument('--mode', nargs='+', choices=['eval', 'train'], default=['eval', 'train'])
    parser.add_argument('--centers-per-side', nargs='+', type=positive, help="instead of the task's")
    parser.add_argument('--regions-per-side', nargs='+', type=positive, help="instead of the task's")
    parser.add_argument('--with-cp', action='store_true', help='recompute activations in the backward pass')
    parser.add_argument('--precision', choices=PRECISIONS, default='float32', help='autocast, or tf32 on a GPU')
    parser.add_argument(
        '--launch', choices=LAUNCHES, default='eager', help='compiled whole or block by block, or a CUDA graph'
    )
    parser.add_argument('--peers', nargs='+', choices=PEERS, default=[], help='also time backbones of mmpretrain')
    parser.add_argument('--scaling', action='store_true', help='the fast path alone, at five sizes up to this one')
    parser.add_argument('--near', action='store_true', help='the fast path, and the same with near candidates')
    parser.add_argument('--count-operators', action='store_true', help='count what a pass is made of; nothing is timed')
    parser.add_argument('--repeats', type=positive, default=5, help='turns whose medians count')
    parser.add_argument('--no-memory', action='store_true', help='times only')
    parser.add_argument('--device', default='cpu', help='cpu, or cuda[:i]')
    parser.add_argument('--json', type=Path, help='also write the rows there')
    return parser.parse_args(argv)


def plan(args: argparse.Namespace) -> list[Case]:
    """The cases of the command line.

    Raises:
        UserError: Settings that no backbone of them has.
    """
    if args.device != 'cpu' and not torch.cuda.is_available():
        raise UserError(f'--device {args.device}: torch finds no GPU here; use --device cpu')
    if 'graph' in args.launch and args.device == 'cpu':
        raise UserError(f'--launch {args.launch} is for --device cuda: choose another one')
    if args.launch in ('blocks', 'graph', 'blocks+graph') and 'eval' in args.mode:
        raise UserError(f'--launch {args.launch} is for --mode train: choose another one')
    if args.near and (args.peers or not all(ARCHS[arch][0] is FEC for arch in args.arch)):
        raise UserError('--near: only FEC has pooling with near candidates: leave the others out')
    settings = TASKS[args.task]
    options = {
        key: value
        for key, value in vars(args).items()
        if key in ('centers_per_side', 'regions_per_side', 'with_cp') and value
    }
    cases = [
        Case(
            args.task,
            arch,
            args.size or settings['size'],
            args.batch or settings['batch'],
            mode,
            args.device,
            args.precision,
            args.launch,
            tuple((key, tuple(value) if isinstance(value, list) else value) for key, value in options.items()),
        )
        for arch in [*args.arch, *args.peers]
        for mode in args.mode
    ]
    for case in cases:
        try:
            replace(with_near(case) if args.near else case, device='meta', launch='eager').build()
        except ValueError as error:
            raise UserError(str(error)) from error
    return cases


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    cases = plan(args)
    rows: list[dict[str, Any]] = []
    print(f'{torch.get_num_threads()} threads, torch {torch.__version__}, {args.device}\n')
    try:
        for case in track(cases, console=Console(stderr=True), description='measuring', transient=True):
            if args.scaling:
                rows += scaling(case, args.repeats)
            elif args.count_operators:
                rows += composition(case)
            elif args.near:
                rows.append(beside_near(case, args.repeats, not args.no_memory))
            else:
                rows.append(measure(case, args.repeats, not args.no_memory))
    finally:  # minutes of measuring are shown even if a later case fails
        print(table(rows, COLUMNS))
    if args.scaling:
        for case in cases:
            own = [row for row in rows if (row['arch'], row['mode']) == (case.arch, case.mode)]
            print(
                f'\n{case.arch}, {case.mode}: time ∝ pixels^{slope(own, "fast_s"):.3f}, '
                f'memory ∝ pixels^{slope(own, "fast_peak_mib"):.3f}'
            )
    if args.json:
        write_whole(args.json, json.dumps(rows, indent=2) + '\n')


if __name__ == '__main__':
    run_cli(main)
