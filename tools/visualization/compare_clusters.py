"""Images as several models, or several checkpoints of one, cluster them.

    python tools/visualization/compare_clusters.py IMAGES... --models NAME=CONFIG[:CHECKPOINT] ... --out FILE
        [--levels 2 3] [--groups 12]

For configs of mmpretrain, mmdet and mmseg with a clustering backbone. Without a checkpoint a model is as initialised.
The name of FILE decides what is made. `.png`, `.jpg`, `.pdf` and `.svg` are a picture of one image, with a row for each
model: the levels in mean colours, the outlines of the last one, and its clusters merged to groups of neighbours.
`.html` is a page of all images: the models' explorers side by side, in which pointer, level and view are linked.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from fec_mm.apis.models import seeded_model
from fec_mm.cli.run import run_cli
from fec_mm.errors import UserError, shown
from fec_mm.fileio import whole_file, write_whole
from fec_mm.toolboxes.configs import read_config
from fec_mm.visualization.comparison import Row, comparison_figure
from fec_mm.visualization.explorer import explorer_page, explorers_beside
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
    parser = argparse.ArgumentParser(description='Images as several models cluster them')
    parser.add_argument('images', nargs='+', type=Path, help='image files; one for a picture')
    parser.add_argument(
        '--models',
        nargs='+',
        type=model_argument,
        required=True,
        metavar='NAME=CONFIG[:CHECKPOINT]',
        help='what is compared',
    )
    parser.add_argument('--out', type=Path, required=True, help='the picture, or an .html page')
    parser.add_argument('--levels', nargs='+', type=int, default=[2, 3], help='from 1; default: 2 3')
    parser.add_argument('--groups', type=int, default=12, help='of the last of these levels; default: 12')
    return parser.parse_args(argv)


def row(image: Path, name: str, cfg: Config, checkpoint: str | None, levels: Sequence[int], groups: int) -> Row:
    """What one model makes of the image.

    Raises:
        UserError: The model has no such level, or less than one group is asked for.
    """
    look = look_at(str(image), seeded_model(cfg, checkpoint), TestPipeline(cfg))
    maps = [labels[0].cpu().numpy() for labels in look.required_levels()]
    for level in levels:
        if not 1 <= level <= len(maps):
            raise UserError(f'--levels {level}: {name} has the levels 1 to {len(maps)}')
    shown_levels = {f'level {level}': maps[level - 1] for level in levels}
    merged = look.groups(look.possible_groups(groups))[0].cpu().numpy()
    return Row(name, look.image, shown_levels, merged)


def explorer(images: Sequence[Path], name: str, cfg: Config, checkpoint: str | None) -> str:
    """One model's page of the images."""
    model, pipeline = seeded_model(cfg, checkpoint), TestPipeline(cfg)
    looks = [look_at(str(image), model, pipeline) for image in images]
    return explorer_page(looks, name, model.dataset_meta.get('classes'))


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    models = [(name, read_config(config), checkpoint) for name, config, checkpoint in args.models]
    if args.out.suffix == '.html':
        pages = [explorer(args.images, *model) for model in models]
        write_whole(args.out, explorers_beside(pages, ', '.join(name for name, *_ in models)))
    elif len(args.images) > 1:
        raise UserError(
            f'{args.out}: a picture is of one image, and {len(args.images)} were given; give one, or an .html'
        )
    else:
        rows = [row(args.images[0], *model, args.levels, args.groups) for model in models]
        with whole_file(args.out) as part:
            comparison_figure(rows).savefig(part, dpi=100)
    print(shown(args.out))


if __name__ == '__main__':
    run_cli(main)
