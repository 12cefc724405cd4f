"""Train a classifier, detector or segmenter: python tools/train.py CONFIG [--work-dir DIR] [--resume [PATH]] ..."""

from fec_mm.apis import run_cli
from fec_mm.apis.train import main

if __name__ == '__main__':
    run_cli(main)
