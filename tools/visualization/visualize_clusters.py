"""Show what a model clusters, level by level.

    python tools/visualization/visualize_clusters.py CONFIG IMAGES... --out-dir DIR [--checkpoint FILE] [--groups K]
        [--levels N ...] [--heads STAGE.BLOCK:HEAD ...] [--colour categorical] [--panels] [--together]
        [--format pdf] [--dpi N] [--html]

For configs of mmpretrain, mmdet and mmseg with a clustering backbone. One picture per image, `DIR/<name of the
image>.png`, or with `--panels` a folder with a file per panel, or with `--together` one picture with a row per image:
the input as the network gets it, and for each pooling layer of fec_mm.FEC the regions of the image that it
made one position of; with `--heads` also what those heads of encoding layers assign (numbers count from 0: `3.1:0` is
the first head of the second block of the last stage). `--html` also writes `DIR/clusters.html`, a page in which one
explores all of them with a pointer.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.progress import track
from torch import Tensor

from fec_mm.apis.models import seeded_model
from fec_mm.cli.arguments import positive
from fec_mm.cli.config import CfgOptions, common_options, load_config
from fec_mm.cli.run import run_cli
from fec_mm.errors import UserError, shown
from fec_mm.fileio import whole_file, write_whole
from fec_mm.visualization.explorer import explorer_page
from fec_mm.visualization.figures import COLOURS, bare_figure, cluster_figure, panels, rows_figure
from fec_mm.visualization.inputs import TestPipeline, UnreadableImage
from fec_mm.visualization.look import Look, look_at

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = 'clusters.html'
TOGETHER = 'clusters'
GROUPS = 'merged, groups'


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Show what a model clusters, level by level')
    parser.add_argument('config', help='config file; its default_scope names the toolbox')
    parser.add_argument('images', nargs='+', type=Path, help='image files')
    parser.add_argument('--checkpoint', help='checkpoint file; without, the weights are as initialised')
    parser.add_argument('--out-dir', type=Path, required=True, help='folder for the pictures')
    parser.add_argument(
        '--groups', type=int, help='also merge the clusters of the last level to so many groups of neighbours'
    )
    parser.add_argument(
        '--heads', nargs='+', default=[], metavar='STAGE.BLOCK:HEAD', help='also show heads of encoding layers'
    )
    parser.add_argument('--levels', nargs='+', type=positive, metavar='N', help='levels to show; default: all')
    parser.add_argument(
        '--colour', choices=list(COLOURS), default='mean', help='of clusters; groups have colours of their own'
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument('--panels', action='store_true', help='a file for each panel, DIR/<image>/<panel>')
    form.add_argument('--together', action='store_true', help=f'one picture, {TOGETHER}, with a row for each image')
    parser.add_argument('--format', choices=['png', 'pdf', 'svg'], default='png', help='of pictures; default: png')
    parser.add_argument('--dpi', type=positive, default=150, help='dots per inch; default: 150')
    parser.add_argument('--html', action='store_true', help=f'also write {PAGE}, to explore all images in a browser')
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions, metavar='KEY=VALUE', help='override settings')
    # What load_config wants to know of tools that run a runner.
    parser.set_defaults(work_dir=None, launcher='none', local_rank=0)
    return parser.parse_args(argv)


def plan(images: Sequence[Path], out_dir: Path, suffix: str) -> dict[Path, Path]:
    """Which picture is made of which image.

    Raises:
        UserError: Two would have the same picture.
    """
    pictures: dict[Path, Path] = {}
    for image in images:
        picture = out_dir / f'{image.stem}.{suffix}'
        if picture in pictures:
            raise UserError(
                f'{pictures[picture]} and {image} would both be drawn in {picture}: draw them in separate folders'
            )
        pictures[picture] = image
    return pictures


def head_of(look: Look, wanted: str) -> tuple[str, int]:
    """The layer's name and the head's number of `STAGE.BLOCK:HEAD`.

    Raises:
        UserError: The model has no such head.
    """
    match = re.fullmatch(r'(\d+\.\d+):(\d+)', wanted)
    heads = {name: ids.shape[1] for name, ids in look.record.encodes.items()}
    name = f'stages.{match[1]}.mixer' if match else ''
    if match is None or int(match[2]) >= heads.get(name, 0):
        layers = [layer for layer in heads if re.fullmatch(r'stages\.\d+\.\d+\.mixer', layer)]
        known = ', '.join(f'{layer[7:-6]}:0 to {heads[layer] - 1}' for layer in layers)
        raise UserError(f'--heads {wanted}: the model has {known} (stage.block:head)')
    return name, int(match[2])


def label_maps(
    look: Look, groups: int | None, heads: Sequence[str], levels: Sequence[int] | None = None
) -> dict[str, np.ndarray]:
    """What is drawn of an image, by title, H×W each.

    Without clustering-based pooling there are no levels and no groups, and if no heads are chosen, the first one of
    each stage's last block is shown.

    Raises:
        UserError: There is no such level or head, or less than one group.
    """
    maps: dict[str, Tensor] = {f'level {i}, clusters': labels for i, labels in enumerate(look.levels(), 1)}
    if levels is not None and maps:
        if max(levels) > len(maps):
            raise UserError(f'--levels {max(levels)}: the model has the levels 1 to {len(maps)}')
        maps = {f'level {i}, clusters': maps[f'level {i}, clusters'] for i in sorted(set(levels))}
    if maps and groups is not None:
        maps[GROUPS] = look.groups(look.possible_groups(groups))
    if not maps and not heads:
        last = {name.split('.')[1]: name for name in look.record.encodes if name.endswith('.mixer')}
        heads = [f'{name[7:-6]}:0' for name in last.values()]
    for wanted in heads:
        maps[f'head {wanted}, centers'] = look.head(*head_of(look, wanted))
    return {name: labels[0].cpu().numpy() for name, labels in maps.items()}


def confidences(look: Look, titles: Sequence[str]) -> dict[str, np.ndarray]:
    """Of the soft ones among the heads that are drawn, how large the largest memberships are, by title."""
    found = {}
    for title in titles:
        match = re.fullmatch(r'head (\S+), centers', title)
        shares = look.confidence(*head_of(look, match[1])) if match else None
        if shares is not None:
            found[title] = shares[0].cpu().numpy()
    return found


def colours(titles: Sequence[str], chosen: str) -> dict[str, str]:
    """How each map is coloured: mean colours of few groups would be much the same."""
    return {title: 'categorical' if title == GROUPS else chosen for title in titles}


def save(figure: Figure, picture: Path, dpi: int) -> None:
    """Write a picture, whole or not at all."""
    with whole_file(picture) as part:
        figure.savefig(part, dpi=dpi)


def draw(look: Look, maps: dict[str, np.ndarray], picture: Path, args: argparse.Namespace) -> dict[str, np.ndarray]:
    """Write the picture of an image, or those of its panels.

    Returns:
        Its panels for a picture of several images, without outlines; otherwise none.
    """
    settings = confidences(look, list(maps)), colours(list(maps), args.colour)
    if args.panels:
        for name, panel in panels(look.image, maps, *settings).items():
            file = re.sub(r'[^\w.-]+', '_', name)
            save(bare_figure(panel, args.dpi), picture.with_suffix('') / f'{file}{picture.suffix}', args.dpi)
    elif args.together:
        found = panels(look.image, maps, *settings)
        return {name: panel for name, panel in found.items() if not name.endswith(', outlines')}
    else:
        save(cluster_figure(look.image, maps, '', *settings), picture, args.dpi)
    return {}


def write_page(looks: Sequence[Look], args: argparse.Namespace, classes: Sequence[str] | None) -> None:
    """Write the explorer, whole or not at all."""
    title = f'{Path(args.config).stem}, {Path(args.checkpoint).name if args.checkpoint else "untrained"}'
    write_whole(args.out_dir / PAGE, explorer_page(looks, title, classes))


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    pictures = plan(args.images, args.out_dir, args.format)
    cfg = load_config(args.config, ('model', 'test_dataloader'), **common_options(args))
    if args.checkpoint is None:
        print('no --checkpoint: these are the clusters of a model that has learnt nothing')
    model = seeded_model(cfg, args.checkpoint)
    pipeline = TestPipeline(cfg)
    try:
        args.out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f'{args.out_dir}: cannot be made ({error}); choose another --out-dir') from error
    looks: list[Look] = []
    rows: list[dict[str, np.ndarray]] = []
    drawn, unreadable = 0, []
    for picture, image in track(pictures.items(), description='images'):
        try:
            look = look_at(str(image), model, pipeline)
        except UnreadableImage as error:
            print(f'skipped: {error}')
            unreadable.append(image)
            continue
        if not drawn and not look.record.pools:
            print(
                'the backbone has no clustering-based pooling, and so no hierarchy of clusters to show: heads are drawn'
            )
        rows.append(draw(look, label_maps(look, args.groups, args.heads, args.levels), picture, args))
        drawn += 1
        if args.html:
            looks.append(look)
    if args.together and rows:
        save(rows_figure(rows), args.out_dir / f'{TOGETHER}.{args.format}', args.dpi)
    if looks:
        write_page(looks, args, model.dataset_meta.get('classes'))
        print(f'page: {shown(args.out_dir / PAGE)}')
    print(f'pictures of {drawn} images in {shown(args.out_dir)}')
    if unreadable:
        raise UserError(
            f'{len(unreadable)} of {len(pictures)} images could not be read: {", ".join(map(shown, unreadable))}'
        )


if __name__ == '__main__':
    run_cli(main)
