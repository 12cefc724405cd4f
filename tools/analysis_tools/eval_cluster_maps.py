"""Measure how well the clusters of a segmenter's backbone fit ground-truth masks, beside what needs no network.

    python tools/analysis_tools/eval_cluster_maps.py CONFIG --out-dir DIR [--checkpoint FILE] [--untrained] [--maps
    NAME=DIR ...]
        [--baselines NAME ...] [--tolerance PIXELS] [--ignore-index LABEL] [--cfg-options ...]

On the images of the config's test_dataloader, of mmseg. Every level's clusters are measured against the masks, and so
are the square grid (what convolutions and patch embeddings group), SLIC, and Felzenszwalb and Huttenlocher's segments:
as many in the same image as the clusters are, as they have connected pieces, and as the clusters are when they are
read as connected segments (`fec_mm.clusters.connect`), which are measured too. With `--untrained` the
model as initialised is measured too; without --checkpoint, only that. `--maps` adds label maps from files, DIR/<name of
the image>.png or .npy, of the size of the masks. Writes DIR/cluster_maps.json, .md and .png (plots of each measure
against the number of segments and against the contour density).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from PIL import Image
from rich.progress import track

from fec_mm.apis.models import seeded_model
from fec_mm.cli.arguments import nonnegative
from fec_mm.cli.config import CfgOptions, common_options, load_config
from fec_mm.cli.run import run_cli
from fec_mm.errors import UserError
from fec_mm.evaluation.baselines import BASELINES
from fec_mm.evaluation.cluster_maps import (
    EQUAL,
    MEASURES,
    ClusterMapMetric,
    attach_cluster_maps,
    mean_rows,
    picture_and_regions,
)
from fec_mm.evaluation.cluster_summary import OWN, named
from fec_mm.fileio import whole_file
from fec_mm.optional import optional
from fec_mm.visualization.cluster_figures import TITLES, measure_figure


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Measure clusters against ground-truth masks')
    parser.add_argument('config', help='config file of mmseg whose backbone is fec_mm.FEC')
    parser.add_argument('--checkpoint', help='checkpoint file; without, the weights are as initialised')
    parser.add_argument('--untrained', action='store_true', help='also measure the model as initialised')
    parser.add_argument('--maps', nargs='+', default=[], metavar='NAME=DIR', help='also measure label maps from files')
    parser.add_argument('--out-dir', type=Path, required=True, help='folder for the results')
    parser.add_argument(
        '--baselines',
        nargs='*',
        choices=BASELINES,
        default=BASELINES,
        help='what to measure beside the clusters; Felzenszwalb takes most of the time; default: all',
    )
    parser.add_argument(
        '--tolerance',
        type=nonnegative,
        help="of borders, in pixels; default: 0.0025 of the mask's diagonal, at least 1",
    )
    parser.add_argument(
        '--ignore-index', type=int, help="label of the pixels that do not count; default: the decode head's, or 255"
    )
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions, metavar='KEY=VALUE', help='override settings')
    # What load_config wants to know of tools that run a runner.
    parser.set_defaults(work_dir=None, launcher='none', local_rank=0)
    return parser.parse_args(argv)


def read_maps(wanted: Sequence[str]) -> dict[str, dict[str, Path]]:
    """The files of each NAME=DIR, by the name of the image.

    Raises:
        UserError: Not of that form, no such folder, nothing in it.
    """
    found = {}
    for item in wanted:
        name, _, folder = item.partition('=')
        files = (
            {path.stem: path for path in Path(folder).glob('*') if path.suffix in ('.png', '.npy')} if folder else {}
        )
        if not name or not files:
            raise UserError(f'--maps {item}: give NAME=DIR, a folder with a .png or .npy label map per image')
        found[name] = files
    return found


def read_map(files: dict[str, Path], image: str, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The label map of an image.

    Raises:
        UserError: There is none, or it is none, or of another size.
    """
    if image not in files:
        raise UserError(f'--maps {name}: no label map of {image}')
    path = files[image]
    try:
        labels = np.load(path, allow_pickle=False) if path.suffix == '.npy' else np.asarray(Image.open(path))
    except (OSError, ValueError) as error:
        raise UserError(f'{path} is no label map: write it again') from error
    if labels.shape != shape or labels.dtype.kind not in 'iu':
        raise UserError(f'{path}: {labels.dtype} of {labels.shape}, and the mask is {shape}: save integers of its size')
    return labels


@torch.no_grad()
def measure_model(
    cfg: Config,
    checkpoint: str | None,
    metric: ClusterMapMetric,
    name: str,
    extra: Callable[[Any, dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """The mean rows of a model and its baselines, in the order of levels.

    Args:
        extra: Called with each image and its data sample.
    """
    model = seeded_model(cfg, checkpoint)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        loader = Runner.build_dataloader(cfg.test_dataloader)
    metric.results.clear()
    with attach_cluster_maps(model):
        for batch in track(loader, description=name):
            samples = [sample.to_dict() for sample in model.test_step(batch)]
            metric.process(batch, samples)
            for inputs, sample in zip(batch['inputs'], samples):
                if extra is not None:
                    extra(inputs, sample)
    return [dict(row, model=name, method=row['method'] or 'clusters') for row in mean_rows(metric.results)]


def markdown(rows: Sequence[dict[str, Any]], notes: Sequence[str]) -> str:
    """The table."""
    names = ('segments', 'pieces', *MEASURES)
    lines = [
        f'| | level | {" | ".join([*names[:2], *(TITLES[name] for name in MEASURES)])} |',
        '|' + '---|' * (2 + len(names)),
    ]
    for row in rows:
        what = named(row['method'], row['model'])
        values = [f'{row[name]:.0f}' for name in names[:2]] + [f'{row[name]:.3f}' for name in MEASURES]
        lines.append(f'| {what if row["model"] else row["method"]} | {row["level"] or ""} | {" | ".join(values)} |')
    return '\n'.join([*notes, '', *lines, ''])


def lines(rows: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The points to plot: clusters and files, and the baselines beside the first model."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row['method'] in OWN:
            found.setdefault(named(row['method'], row['model']), []).append(row)
        elif row['model'] in ('', rows[0]['model']):
            found.setdefault(row['method'].partition('/')[0], []).append(row)
    return found


def write(args: argparse.Namespace, rows: list[dict[str, Any]], notes: list[str]) -> None:
    """Write the three files, each whole or not at all."""
    clean = [{key: None if value != value else value for key, value in row.items()} for row in rows]  # JSON has no NaN
    writers: dict[str, Callable[[Path], object]] = {
        '.json': lambda file: file.write_text(json.dumps(dict(notes=notes, rows=clean), indent=1)),
        '.md': lambda file: file.write_text(markdown(rows, notes), encoding='utf-8'),
        '.png': lambda file: measure_figure(lines(rows)).savefig(file, dpi=150),
    }
    for suffix, write_to in writers.items():
        with whole_file(args.out_dir / f'cluster_maps{suffix}') as part:
            write_to(part)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    maps = read_maps(args.maps)
    optional('skimage.segmentation', 'SLIC segments')
    optional('matplotlib.figure', 'plots of measures')
    cfg = load_config(args.config, ('model', 'test_dataloader'), **common_options(args))
    if cfg.default_scope != 'mmseg':
        raise UserError(f'{args.config} is of {cfg.default_scope}: masks are what a config of mmseg has')
    head = cfg.model.get('decode_head', {})
    void = args.ignore_index
    if void is None:  # of several heads, the last is the model's
        void = (head[-1] if isinstance(head, list) else head).get('ignore_index', 255)
    metric = ClusterMapMetric(void, args.tolerance, args.baselines, EQUAL)
    from_files: list[list[dict[str, Any]]] = []

    def measure_files(inputs: Any, sample: dict[str, Any]) -> None:
        image, regions = picture_and_regions(inputs, sample)
        stem = Path(sample['img_path']).stem
        labels = {name: read_map(files, stem, name, regions.shape) for name, files in maps.items()}
        from_files.append(
            [dict(values, method=name, level=0) for name, values in metric.measured(labels, image, regions).items()]
        )

    rows = []
    if args.checkpoint:
        rows += measure_model(cfg, args.checkpoint, metric, 'trained', measure_files)
    if args.untrained or not args.checkpoint:
        rows += measure_model(cfg, None, metric, 'untrained', None if args.checkpoint else measure_files)
    if not rows:
        raise UserError(
            f'{args.config}: no image of test_dataloader has a mask with a pixel that counts: check --ignore-index'
        )
    rows += [dict(row, model='') for row in mean_rows(from_files)]
    tolerance = "0.0025 of the mask's diagonal, at least 1" if args.tolerance is None else args.tolerance
    notes = [f'{Path(args.config).name}, {rows[0]["images"]} images, tolerance of borders: {tolerance} pixels.']
    write(args, rows, notes)
    print(markdown(rows, notes))


if __name__ == '__main__':
    run_cli(main)
