"""Show what a model clusters, level by level.

    python tools/visualization/visualize_clusters.py CONFIG IMAGES... --out-dir DIR [--checkpoint FILE] [--groups K]

For configs of mmpretrain, mmdet and mmseg whose backbone is fec_mm.FEC. One picture per image, `DIR/<name of the image>.png`: the
input as the network gets it, and for each pooling layer the regions of the image that it made one position of.
"""
from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.utils import track_iter_progress

from fec_mm.apis.checkpoints import check_checkpoint
from fec_mm.apis.cli import run_cli
from fec_mm.apis.config import CfgOptions, load_config
from fec_mm.errors import UserError
from fec_mm.visualization import cluster_figure, cluster_levels, merge_clusters, record_assignments
from fec_mm.visualization.inputs import TestPipeline


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Show what a model clusters, level by level')
    parser.add_argument('config', help='config file; its default_scope names the toolbox')
    parser.add_argument('images', nargs='+', type=Path, help='image files')
    parser.add_argument('--checkpoint', help='checkpoint file; without, the weights are as initialised')
    parser.add_argument('--out-dir', type=Path, required=True, help='folder for the pictures')
    parser.add_argument('--groups', type=int, help='also merge the clusters of the last level to so many groups (k-means)')
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions, metavar='KEY=VALUE', help='override settings')
    # What load_config wants to know of tools that run a runner.
    parser.set_defaults(work_dir=None, launcher='none', local_rank=0)
    return parser.parse_args(argv)


def plan(images: Sequence[Path], out_dir: Path) -> dict[Path, Path]:
    """Which picture is made of which image.

    Raises:
        UserError: an image does not exist, or two would have the same picture.
    """
    pictures: dict[Path, Path] = {}
    for image in images:
        if not image.is_file():
            raise UserError(f'image {image} does not exist: correct the path')
        picture = out_dir / f'{image.stem}.png'
        if picture in pictures:
            raise UserError(f'{pictures[picture]} and {image} would both be drawn in {picture}: draw them in separate folders')
        pictures[picture] = image
    return pictures


def build_model(cfg: Config, checkpoint: str | None) -> Any:
    """The config's model for evaluation, with the weights of a checkpoint or, seeded, initial ones."""
    from mmengine.device import get_device
    from mmengine.registry import MODELS, init_default_scope
    from mmengine.runner import set_random_seed
    from mmengine.runner.checkpoint import load_checkpoint
    init_default_scope(cfg.default_scope)
    set_random_seed((cfg.get('randomness') or {}).get('seed') or 0)
    model = MODELS.build(cfg.model)
    if not hasattr(model, 'backbone'):
        raise UserError(f'{cfg.filename}: {type(model).__name__} has no backbone to show the clusters of')
    if checkpoint is None:
        print('no --checkpoint: these are the clusters of a model that has learnt nothing')
        model.init_weights()
    else:
        check_checkpoint(checkpoint)
        try:
            load_checkpoint(model, checkpoint, map_location='cpu', strict=True)
        except RuntimeError as error:
            raise UserError(f'checkpoint {checkpoint} is of another model: use the config that it was trained with') from error
    return model.to(get_device()).eval()


@torch.no_grad()
def draw(model: Any, pipeline: TestPipeline, image: Path, picture: Path, groups: int | None) -> None:
    """Write the picture of an image, whole or not at all."""
    shown, batch = pipeline(str(image), model)
    with record_assignments(model.backbone) as record:
        outputs = model.backbone(batch)
    levels = cluster_levels(record.pools, (batch.shape[-2], batch.shape[-1]))
    merged = None
    if groups is not None:
        try:
            merged = merge_clusters(levels[-1], outputs[-1], groups)
        except UserError as error:
            raise UserError(f'--groups, {image}: {error}') from error
    height, width = shown.shape[:2]  # without padding
    arrays = [labels[0, :height, :width].cpu().numpy() for labels in [*levels, *([] if merged is None else [merged])]]
    figure = cluster_figure(shown, arrays[:len(levels)], arrays[-1] if merged is not None else None, image.name)
    beside = picture.with_name(f'.part.{picture.name}')
    try:
        figure.savefig(beside, dpi=150)
        os.replace(beside, picture)
    except OSError as error:
        raise UserError(f'{picture}: cannot be written ({error}); choose another --out-dir or make room') from error
    finally:
        beside.unlink(missing_ok=True)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    pictures = plan(args.images, args.out_dir)
    cfg = load_config(args, needed=('model', 'test_dataloader'))
    model = build_model(cfg, args.checkpoint)
    pipeline = TestPipeline(cfg)
    try:
        args.out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f'{args.out_dir}: cannot be made ({error}); choose another --out-dir') from error
    for picture, image in track_iter_progress(list(pictures.items())):
        draw(model, pipeline, image, picture, args.groups)
    print(f'{len(pictures)} pictures in {args.out_dir}')


if __name__ == '__main__':
    run_cli(main)
