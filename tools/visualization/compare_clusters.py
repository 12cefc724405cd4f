"""One image as several models cluster it, a row for each model.

    python tools/visualization/compare_clusters.py IMAGE --models NAME=CONFIG[:CHECKPOINT] ... --out FILE
        [--levels 2 3] [--groups 12]

For configs of mmpretrain, mmdet and mmseg with a backbone that has a hierarchy of clusters. A row has the levels in
mean colours, the outlines of the last one, and its clusters merged to groups of neighbours. Without a checkpoint a
model is as initialised. The type of the picture follows from the name of FILE: .png, .jpg, .pdf, .svg.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from fec_mm.apis.models import seeded_model
from fec_mm.cli.run import run_cli
from fec_mm.errors import UserError, shown
from fec_mm.fileio import whole_file
from fec_mm.toolboxes.configs import read_config
from fec_mm.visualization.comparison import Row, comparison_figure
from fec_mm.visualization.inputs import TestPipeline
from fec_mm.visualization.look import look_at


def model_argument(text: str) -> tuple[str, str, str | None]:
    """NAME=CONFIG[:CHECKPOINT] in its parts."""
    name, equals, files = text.partition('=')
    config, _, checkpoint = files.partition('.py:')
    if not (name and equals and config):
        raise argparse.ArgumentTypeError(f'{text} must be NAME=CONFIG.py or NAME=CONFIG.py:CHECKPOINT')
    return name, config.removesuffix('.py') + '.py', checkpoint or None


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='One image as several models cluster it')
    parser.add_argument('image', type=Path, help='image file')
    parser.add_argument(
        '--models', nargs='+', type=model_argument, required=True, metavar='NAME=CONFIG[:CHECKPOINT]', help='the rows'
    )
    parser.add_argument('--out', type=Path, required=True, help='the picture')
    parser.add_argument('--levels', nargs='+', type=int, default=[2, 3], help='from 1; default: 2 3')
    parser.add_argument('--groups', type=int, default=12, help='of the last of these levels; default: 12')
    return parser.parse_args(argv)


def row(image: Path, name: str, cfg: Config, checkpoint: str | None, levels: Sequence[int], groups: int) -> Row:
    """What one model makes of the image.

    Raises:
        UserError: The model has no such level, or fewer clusters than groups.
    """
    look = look_at(str(image), seeded_model(cfg, checkpoint), TestPipeline(cfg))
    maps = [labels[0].cpu().numpy() for labels in look.required_levels()]
    for level in levels:
        if not 1 <= level <= len(maps):
            raise UserError(f'--levels {level}: {name} has the levels 1 to {len(maps)}')
    shown_levels = {f'level {level}': maps[level - 1] for level in levels}
    return Row(name, look.image, shown_levels, look.groups(groups)[0].cpu().numpy())


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    rows = [
        row(args.image, name, read_config(config), checkpoint, args.levels, args.groups)
        for name, config, checkpoint in args.models
    ]
    with whole_file(args.out) as part:
        comparison_figure(rows).savefig(part, dpi=100)
    print(shown(args.out))


if __name__ == '__main__':
    run_cli(main)
