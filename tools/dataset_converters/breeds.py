"""Write the superclasses of a BREEDS task as JSON.

    python tools/dataset_converters/breeds.py TASK --hierarchy DIR [--shuffle SEED] [--split source] --out FILE.json

DIR has the three files of github.com/MadryLab/BREEDS-Benchmarks, folder imagenet_class_hierarchy/modified. The file
lists the superclasses in their order, `{"wnid": ..., "name": ..., "subclasses": [class indices of ImageNet-1K]}` each.
With --shuffle the same subclasses are dealt out to the superclasses at random; those have no wnid.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from fec_mm.cli.run import run_cli
from fec_mm.datasets.breeds import TASKS
from fec_mm.datasets.superclasses import SPLITS, load_superclasses
from fec_mm.fileio import write_whole


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Write the superclasses of a BREEDS task as JSON')
    parser.add_argument('task', choices=TASKS)
    parser.add_argument('--hierarchy', required=True, help='the folder with the three files of BREEDS')
    parser.add_argument('--shuffle', type=int, metavar='SEED', help='deal out the subclasses at random: unrelated ones')
    parser.add_argument('--split', choices=SPLITS, help='half of the subclasses of each superclass; default: all')
    parser.add_argument('--out', required=True, help='the file to write')
    args = parser.parse_args(argv)
    superclasses = load_superclasses(dict(task=args.task, hierarchy=args.hierarchy), args.shuffle, args.split)
    text = '[\n' + ',\n'.join(json.dumps(s._asdict()) for s in superclasses) + '\n]\n'
    write_whole(args.out, text)
    print(f'{args.out}: {len(superclasses)} superclasses of {len(superclasses[0].subclasses)}')


if __name__ == '__main__':
    run_cli(main)
