"""Whether FEC works on this GPU, and how fast: one report, in Markdown and JSON.

    python tools/analysis_tools/gpu_report.py [--minutes 8] [--device cuda] [--out FILE.md]

Needs torch 2.11 or newer, mmengine, and mmcv or mmcv-lite. Peers need mmpretrain, necks mmdet or mmseg with the
compiled mmcv; without them these parts are left out, and the report says so. The parts run in a process of their own:
one that fails or hangs is reported with its error, and the rest goes on. Where the minutes do not suffice, the least
important parts are left out. `--device cpu` rehearses the command with tiny sizes, whose figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track

from fec_mm.cli.arguments import quantity
from fec_mm.cli.run import run_cli
from fec_mm.device.checks import DETERMINISTIC
from fec_mm.device.parts import Outcome, run_parts
from fec_mm.device.report import as_json, machine, markdown, plan
from fec_mm.errors import UserError
from fec_mm.fileio import write_whole


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Whether FEC works on this GPU, and how fast')
    parser.add_argument('--device', default='cuda', help='cuda[:i], or cpu to rehearse')
    parser.add_argument('--minutes', type=quantity, default=8.0, help='for the whole report')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/gpu_report.md'), help='beside it the same as .json')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    if args.device != 'cpu' and not torch.cuda.is_available():
        raise UserError(f'--device {args.device}: torch finds no GPU here; `--device cpu` rehearses the command')
    if args.out.suffix != '.md':
        raise UserError(f'--out {args.out}: the report is Markdown, give a name that ends in .md')
    about, parts = machine(args.device), plan(args.device)
    outcomes: list[Outcome] = []
    try:
        for outcome in track(
            run_parts(parts, args.minutes, DETERMINISTIC),
            total=len(parts),
            description='measuring',
            console=Console(stderr=True),
            transient=True,
        ):
            outcomes.append(outcome)
            if outcome.error is not None:
                print(f'failed: {outcome.part.name}: {outcome.error}', flush=True)
    finally:  # what was measured is kept, whatever ends the rest
        report = markdown(about, outcomes)
        write_whole(args.out, report)
        write_whole(args.out.with_suffix('.json'), json.dumps(as_json(about, outcomes), indent=1) + '\n')
        print(f'{report}\n{args.out} and {args.out.with_suffix(".json")} have this report')
    failed = [outcome.part.name for outcome in outcomes if outcome.error is not None]
    if failed:
        raise UserError(f'{len(failed)} of {len(parts)} parts failed ({", ".join(failed[:5])}): see {args.out}')


if __name__ == '__main__':
    run_cli(main)
