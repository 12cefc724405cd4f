"""Evaluate a checkpoint: python tools/test.py CONFIG CHECKPOINT [--out FILE] [--show-dir DIR] [--tta] ..."""

from fec_mm.cli import run_cli

if __name__ == '__main__':
    run_cli('fec_mm.cli.test')
