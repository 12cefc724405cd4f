"""Measure whether a model uses its centers, whether its clusters stay when the image moves, and what they show of it.

    python tools/analysis_tools/cluster_health.py CONFIG CHECKPOINT [--images 100] [--json FILE] [--cfg-options ...]

On images of the config's test_dataloader, evenly spaced, of one size. It needs no masks. A row for each clustering
layer: the share of its centers that are used, the entropy of their clusters' sizes (1: all alike), the agreement
(adjusted Rand index) of the pixels' clusters with those of the image moved by a patch of 4 pixels and of the mirrored
image, and the measures of clusters as segments that ask for colours alone, beside a square grid of as many.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope
from torch import Tensor

from fec_mm.apis.models import seeded_model
from fec_mm.cli.arguments import positive
from fec_mm.cli.config import CfgOptions, common_options, load_config
from fec_mm.cli.run import run_cli
from fec_mm.errors import UserError
from fec_mm.evaluation.cluster_rows import MEASURES, Values, layer_values, mean_rows
from fec_mm.evaluation.probe_report import markdown
from fec_mm.fileio import write_whole

BATCH = 50


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Measure the health of clusters, without masks')
    parser.add_argument('config', help='config file, whose backbone clusters')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--images', type=positive, default=100, help='how many of the test set; default: 100')
    parser.add_argument('--json', type=Path, help='also write the rows there')
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions, metavar='KEY=VALUE', help='override settings')
    # What load_config wants to know of tools that run a runner.
    parser.set_defaults(work_dir=None, launcher='none', local_rank=0)
    return parser.parse_args(argv)


def batches(cfg: Config, model: Any, images: int) -> Iterator[tuple[Tensor, np.ndarray]]:
    """What the network gets and what one sees (B×H×W×3, RGB), a batch at a time.

    Raises:
        UserError: The images are of several sizes.
    """
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        dataset = DATASETS.build(cfg.test_dataloader.dataset)
    chosen = np.linspace(0, len(dataset) - 1, min(images, len(dataset))).round().astype(int).tolist()
    for start in range(0, len(chosen), BATCH):
        packed = [dataset[i] for i in chosen[start : start + BATCH]]
        inputs = [item['inputs'] for item in packed]
        if len({tuple(image.shape) for image in inputs}) > 1:
            raise UserError(f'{cfg.filename}: the test pipeline gives images of several sizes: resize them to one')
        data = dict(inputs=inputs, data_samples=[item['data_samples'] for item in packed])
        pictures = torch.stack(inputs).flip(1).permute(0, 2, 3, 1).numpy()  # all three toolboxes load BGR
        yield model.data_preprocessor(data, False)['inputs'], pictures


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    cfg = load_config(args.config, ('model', 'test_dataloader'), **common_options(args))
    model = seeded_model(cfg, args.checkpoint)
    values: Values = {}
    for inputs, pictures in batches(cfg, model, args.images):
        for layer, measures in layer_values(model.backbone, inputs, pictures).items():
            for measure, numbers in measures.items():
                values.setdefault(layer, {}).setdefault(measure, []).extend(numbers)
    rows = mean_rows(values)
    cells = [[row['layer'], *('' if row[m] is None else f'{row[m]:.3f}' for m in MEASURES)] for row in rows]
    print(markdown([['layer', *(m.replace('_', ' ') for m in MEASURES)], *cells]))
    if args.json:
        write_whole(args.json, json.dumps(rows, indent=1) + '\n')


if __name__ == '__main__':
    run_cli(main)
