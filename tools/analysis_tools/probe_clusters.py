"""Measure, layer by layer, how well clusters of features recover subclasses that a model was not told.

    python tools/analysis_tools/probe_clusters.py CONFIG CHECKPOINT [--layers NAME ...] [--k K ...] [--seeds SEED ...]
        [--out-dir DIR] [--launcher pytorch]

See docs/probing.md.
"""

from fec_mm.cli import run_cli

if __name__ == '__main__':
    run_cli('fec_mm.cli.probe')
