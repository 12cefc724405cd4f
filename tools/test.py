"""Evaluate a checkpoint: python tools/test.py CONFIG CHECKPOINT [--out FILE] [--show-dir DIR] [--tta] ..."""

from fec_mm.apis import run_cli
from fec_mm.apis.test import main

if __name__ == '__main__':
    run_cli(main)
