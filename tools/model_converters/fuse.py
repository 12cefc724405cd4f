"""Write a checkpoint of EnFormer in the form for deployment.

    python tools/model_converters/fuse.py CONFIG CHECKPOINT DST

CONFIG is a config of an EnFormer, or a name of list_models; CHECKPOINT its weights. DST has the same model with its
depthwise branches, batch norms and layer scales folded. It loads into the config with
`--cfg-options model.backbone.deploy=True`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from fec_mm.apis import fuse, get_model
from fec_mm.cli.run import run_cli
from fec_mm.fileio import whole_file


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Fold what EnFormer needs for training alone')
    parser.add_argument('config', help='a config file, or a name of list_models')
    parser.add_argument('checkpoint', help='the weights')
    parser.add_argument('dst', type=Path, help='the file to write')
    return parser.parse_args(argv)


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    model = get_model(args.config, args.checkpoint, 'cpu')
    before = count(model)
    fuse(model)
    with whole_file(args.dst) as part, open(part, 'wb') as file:  # torch.save opens files with errors of its own
        torch.save({'state_dict': model.state_dict(), 'meta': {'dataset_meta': model.dataset_meta}}, file)
    print(f'{before:,} parameters became {count(model):,} -> {args.dst}; load it with model.backbone.deploy=True')


if __name__ == '__main__':
    run_cli(main)
