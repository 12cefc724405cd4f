"""Convert a checkpoint of the authors of FEC, Context Cluster, EnFormer or CLUENet.

    python tools/model_converters/convert_released.py SRC DST [--ema] [--model NAME]

SRC is a classifier, a dense backbone, or a whole detector or segmenter, of which the backbone is taken. DST loads
strictly into a classifier of this project, and with `init_cfg=dict(type='Pretrained', checkpoint=DST,
prefix='backbone.')` into a backbone. Some checkpoints have the weights and a running average of them: the weights are
taken, or with `--ema` the average. Some published models have the same shapes: the tool says which it took SRC for, and
`--model` names another.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from fec_mm.checkpoints.released import convert, read_weights
from fec_mm.cli.run import run_cli
from fec_mm.errors import UserError
from fec_mm.fileio import whole_file
from fec_mm.models import FAMILIES


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Convert a checkpoint of the authors of a clustering backbone')
    parser.add_argument('src', type=Path, help="the authors' checkpoint")
    parser.add_argument('dst', type=Path, help='the file to write')
    parser.add_argument('--ema', action='store_true', help='take the averaged weights, state_dict_ema or model_ema')
    parser.add_argument('--model', help="which model it is, if several fit, such as 'ContextCluster tiny2'")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        weights = read_weights(args.src, args.ema)
        converted = convert(weights.state_dict, FAMILIES, args.model)
    except ValueError as error:
        raise UserError(f'{args.src}: {error}') from error
    with whole_file(args.dst) as part, open(part, 'wb') as file:  # torch.save opens files with errors of its own
        torch.save({'state_dict': converted.state_dict, 'meta': {'released_model': converted.model}}, file)
    head = 'with' if 'head.fc.weight' in converted.state_dict else 'without'
    print(f'{converted.model}, {len(converted.state_dict)} tensors, {head} classifier head -> {args.dst}')
    if converted.others and args.model is None:
        print(f'{", ".join(converted.others)} have the same shapes: if it is one of them, name it with --model')
    if weights.others:
        option = 'without --ema' if args.ema else 'with --ema'
        print(f'the weights are those under {weights.key}; not taken: {", ".join(weights.others)} ({option})')
    if converted.left_out:
        print(f'{len(converted.left_out)} tensors outside the backbone were left out: {", ".join(converted.left_out)}')


if __name__ == '__main__':
    run_cli(main)
