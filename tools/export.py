"""Write a model as an ONNX file that computes the same.

    python tools/export.py CONFIG CHECKPOINT --out FILE.onnx [--size SIDE | HxW] [--dynamic] [--part neck | backbone]

A classifier gives logits, a segmenter logits and class ids at the size of the images, a one-stage detector the maps of
its head, a backbone or neck its maps. The file is compared with the model in onnxruntime, with `--dynamic` at other
sizes and numbers of images, too, and is removed if it differs. Its input are images as the data preprocessor leaves
them: mean, std and order of the channels are in its metadata.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fec_mm.apis import get_model
from fec_mm.apis.exportable import PARTS, exportable
from fec_mm.apis.exporting import export, speeds
from fec_mm.cli.arguments import image_size
from fec_mm.cli.config import CfgOptions, common_options, load_config
from fec_mm.cli.run import run_cli
from fec_mm.errors import UserError
from fec_mm.toolboxes.table import TOOLBOXES


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Write a model as an ONNX file that computes the same')
    parser.add_argument('config', help='config file; its default_scope names the toolbox')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', type=Path, required=True, help='the file to write, .onnx')
    parser.add_argument(
        '--size',
        type=image_size,
        metavar='SIDE|HxW',
        help='of the images; default: '
        + ', '.join('{}x{} for {}'.format(*t.image_size, t.scope) for t in TOOLBOXES.values()),
    )
    parser.add_argument(
        '--dynamic', action='store_true', help='any number of images of any size; default: one of --size'
    )
    parser.add_argument('--part', choices=PARTS, default='whole', help='default: all that can be exported')
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions, metavar='KEY=VALUE', help='override settings')
    # What load_config wants to know of tools that run a runner.
    parser.set_defaults(work_dir=None, launcher='none', local_rank=0)
    return parser.parse_args(argv)


def notes(model: Any) -> dict[str, str]:
    """What a user of the file needs to know: how images are prepared, and the names of the classes, as JSON."""
    prepare = model.data_preprocessor
    found = {
        key: getattr(prepare, key).flatten().tolist()
        for key in ('mean', 'std')
        if getattr(prepare, key, None) is not None
    }
    found['channels'] = 'RGB' if _swaps(model.cfg) else 'as the config loads them, BGR of files'
    found['classes'] = list(model.dataset_meta.get('classes', ()))
    return {key: json.dumps(value) for key, value in found.items()}


def _swaps(cfg: Any) -> bool:
    settings = {**(cfg.get('data_preprocessor') or {}), **(cfg.model.get('data_preprocessor') or {})}
    return bool(settings.get('bgr_to_rgb') or settings.get('to_rgb'))


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    if args.out.suffix != '.onnx':
        raise UserError(f'--out {args.out}: give a name that ends in .onnx')
    cfg = load_config(args.config, ('model',), **common_options(args))
    model = get_model(cfg, args.checkpoint, 'cpu').requires_grad_(False)
    network = exportable(model, cfg.default_scope, args.part)
    size = args.size or TOOLBOXES[cfg.default_scope].image_size
    print(f'exporting {type(model).__name__} ({args.part}): {waiting(model, args.dynamic)}', flush=True)
    try:
        for shape, difference in export(network, args.out, size, args.dynamic, notes(model)):
            print('{} × {} channels of {}×{}: difference {:.1e}'.format(*shape, difference), flush=True)
    except ValueError as error:  # a size that the backbone refuses
        raise UserError(f'--size: {error}') from error
    ours, others = speeds(network, args.out, size)
    threads = torch.get_num_threads()
    print(f'one image of {size[0]}×{size[1]}, {threads} threads: PyTorch {ours:.3f} s, onnxruntime {others:.3f} s')
    if network.missing:
        print(f'not in the file: {network.missing}')
    print(args.out)


def waiting(model: nn.Module, dynamic: bool) -> str:
    """How long an export takes, for people, from what others took."""
    seconds = (1.5 if dynamic else 0.8) * sum(1 for _ in model.modules())
    return f'about {max(1, round(seconds / 60))} minutes of one core'


if __name__ == '__main__':
    run_cli(main)
