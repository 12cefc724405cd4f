"""Measure, layer by layer, how well clusters of features recover subclasses that a model was not told.

    python tools/analysis_tools/probe_clusters.py CONFIG CHECKPOINT [--layers NAME ...] [--k K ...] [--seeds SEED ...]
        [--out-dir DIR] [--launcher pytorch]

See docs/probing.md.
"""

from fec_mm.apis import run_cli
from fec_mm.apis.probe import main

if __name__ == '__main__':
    run_cli(main)
