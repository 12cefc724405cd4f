"""Plot loss and scores of trainings, one or several in one picture.

    python tools/analysis_tools/plot_curves.py WORK_DIR ... [--out FILE]

A training of tools/train.py leaves the plot of its own, `curves.png`, in its work directory. FILE is a .png, .pdf or
.svg.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from fec_mm.cli.run import run_cli
from fec_mm.errors import UserError, shown
from fec_mm.fileio import whole_file
from fec_mm.visualization.curves import curves_figure, read_curves


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Plot loss and scores of trainings')
    parser.add_argument('work_dirs', nargs='+', type=Path, metavar='WORK_DIR', help='folders of trainings')
    parser.add_argument('--out', type=Path, default=Path('curves.png'), help='the picture; default: curves.png')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    if args.out.suffix not in ('.png', '.pdf', '.svg'):
        raise UserError(f'--out {args.out}: give a name that ends in .png, .pdf or .svg')
    figure = curves_figure({str(folder): read_curves(folder) for folder in args.work_dirs})
    with whole_file(args.out) as part:
        figure.savefig(part, dpi=120)
    print(shown(args.out))


if __name__ == '__main__':
    run_cli(main)
