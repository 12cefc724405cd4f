"""Count the parameters and multiply-adds of a config's model, as the papers count them and as they are.

    python tools/analysis_tools/get_flops.py CONFIG [--size SIDE | HxW] [--cfg-options KEY=VALUE ...]

One image. The backbone is counted as the published code computes it and as ours does; neck and heads run on random
maps, a detector's on the proposals of its initial weights. fec_mm/evaluation/flops.py defines both counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from fec_mm.cli.arguments import image_size
from fec_mm.cli.config import CfgOptions, common_options, load_config
from fec_mm.cli.run import run_cli
from fec_mm.errors import UserError
from fec_mm.evaluation.flops import Count, count_backbone
from fec_mm.evaluation.training_cost import count_heads, counted_model, image_shape
from fec_mm.toolboxes.table import TOOLBOXES


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Count parameters and multiply-adds')
    parser.add_argument('config', help='config file; its default_scope names the toolbox')
    parser.add_argument(
        '--size',
        type=image_size,
        metavar='SIDE|HxW',
        help='default: ' + ', '.join('{}x{} for {}'.format(*t.image_size, t.scope) for t in TOOLBOXES.values()),
    )
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions, metavar='KEY=VALUE', help='override settings')
    # What load_config wants to know of tools that run a runner.
    parser.set_defaults(work_dir=None, launcher='none', local_rank=0)
    return parser.parse_args(argv)


def table(backbones: dict[str, Count], heads: Count) -> str:
    """Markdown, in 10⁹ multiply-adds."""
    rows = ['| 10⁹ multiply-adds | backbone | neck and heads | whole |', '|---|---|---|---|']
    for name, backbone in backbones.items():
        for kind, (b, h) in {
            "fvcore's convention": (backbone.in_convention, heads.in_convention),
            'every operator': (backbone.every, heads.every),
        }.items():
            rows.append(f'| {name}, {kind} | {b / 1e9:.3f} | {h / 1e9:.3f} | {(b + h) / 1e9:.3f} |')
    return '\n'.join(rows)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    cfg = load_config(args.config, ('model',), **common_options(args))
    shape = image_shape(cfg, args.size)
    model = counted_model(cfg).eval()
    implementations = {'ours': 'fast'}
    if any(hasattr(module, 'implementation') for module in model.backbone.modules()):
        implementations = {'as published': 'reference', **implementations}
    try:
        counted = {name: count_backbone(model.backbone, shape, kind) for name, kind in implementations.items()}
    except ValueError as error:  # a size that the backbone refuses
        raise UserError(f'--size: {error}') from error
    backbones = {name: count for name, (count, _) in counted.items()}
    heads = count_heads(model, cfg.default_scope, shape, counted['ours'][1])

    parameters = sum(p.numel() for p in model.parameters())
    print(f'{args.config}, one image of {shape[1]}×{shape[2]}\n')
    print(f'parameters: {parameters:,} = {parameters / 1e6:.3f} × 10⁶ = {parameters / 1024**2:.3f} × 1024²\n')
    print(table(backbones, heads))
    names = sorted({name for count in (*backbones.values(), heads) for name in +count.moving})
    print(f'\nNothing to count, numbers are only moved or made: {", ".join(names)}')
    for part, count in {**backbones, 'neck and heads': heads}.items():
        if count.missed:
            calls = ', '.join(f'{name} ({number} calls)' for name, number in sorted(count.missed.items()))
            print(f'NOT COUNTED, {part}: {calls}')


if __name__ == '__main__':
    run_cli(main)
