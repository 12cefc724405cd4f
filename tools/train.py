"""Train a classifier, detector or segmenter: python tools/train.py CONFIG [--work-dir DIR] [--resume [PATH]] ..."""

from fec_mm.cli import run_cli

if __name__ == '__main__':
    run_cli('fec_mm.cli.train')
