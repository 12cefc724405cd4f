"""Predict for images: a picture and a JSON file for each.

    python tools/infer.py CONFIG CHECKPOINT IMAGES... --out-dir DIR [--score-thr 0.3] [--device cpu]

For configs of mmpretrain, mmdet and mmseg. IMAGES are files and folders. Of `7.png` there will be `DIR/7.png`, the
image with the predictions, and `DIR/7.json`; of a segmenter also `DIR/7_labels.png`, the class ids of the pixels.
docs/inference.md has the form of the JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fec_mm.apis.inferencer import image_files
from fec_mm.apis.prediction import Prediction, Predictor
from fec_mm.cli.config import CfgOptions, common_options, load_config
from fec_mm.cli.run import run_cli
from fec_mm.errors import UserError, shown
from fec_mm.fileio import whole_file, write_whole
from fec_mm.visualization.inputs import UnreadableImage
from fec_mm.visualization.predictions import paint


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Predict for images: a picture and a JSON file for each')
    parser.add_argument('config', help='config file; its default_scope names the toolbox')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('images', nargs='+', help='image files, and folders of them')
    parser.add_argument('--out-dir', type=Path, required=True, help='folder for the results')
    parser.add_argument('--score-thr', type=float, default=0.3, help='leave out objects below it; default: 0.3')
    parser.add_argument('--device', help='default: an accelerator if there is one')
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions, metavar='KEY=VALUE', help='override settings')
    # What load_config wants to know of tools that run a runner.
    parser.set_defaults(work_dir=None, launcher='none', local_rank=0)
    return parser.parse_args(argv)


def plan(items: Sequence[str], out_dir: Path) -> dict[Path, Path]:
    """Where the results of each image go, without extension.

    Raises:
        UserError: An item is not there; two images would have the same results, or lie where they would.
    """
    results: dict[Path, Path] = {}
    for image in (file for item in items for file in image_files(item)):
        target = out_dir / image.stem
        other = results.setdefault(target, image)
        if other != image:
            raise UserError(
                f'{other} and {image} would both be written as {target}.json: put them into separate folders'
            )
        if image.resolve() == target.with_name(f'{target.name}.png').resolve():
            raise UserError(f'the results would replace {image}: choose another --out-dir')
    return {image: target for target, image in results.items()}


def write(result: Prediction, image: Path, target: Path) -> None:
    """Write picture, label map and, last, the JSON of an image."""
    found: dict[str, Any] = result.as_json(str(image))
    with whole_file(target.with_name(f'{target.name}.png')) as part:
        paint(result.image, result.found, result.masks, result.labels).save(part)
    if result.labels is not None:
        found['label_map'] = f'{target.name}_labels.png'
        with whole_file(target.with_name(found['label_map'])) as part:
            Image.fromarray(result.labels.astype(np.uint8 if result.labels.max() < 256 else np.uint16)).save(part)
    write_whole(target.with_name(f'{target.name}.json'), json.dumps(found, indent=1, ensure_ascii=False))


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    targets = plan(args.images, args.out_dir)
    cfg = load_config(args.config, ('model', 'test_dataloader'), **common_options(args))
    predict = Predictor(cfg, args.checkpoint, args.device, args.score_thr)
    unreadable = []
    for image, target in targets.items():
        try:
            result = predict(str(image))
        except UnreadableImage as error:
            print(f'skipped: {error}')
            unreadable.append(image)
            continue
        write(result, image, target)
        best = ', '.join(f'{each["label"]} {each.get("score", each.get("share")):.2f}' for each in result.found[:3])
        print(f'{shown(image)}: {shown(best) or "nothing"}', flush=True)
    print(f'results of {len(targets) - len(unreadable)} images in {shown(args.out_dir)}')
    if unreadable:
        raise UserError(
            f'{len(unreadable)} of {len(targets)} images could not be read: {", ".join(map(shown, unreadable))}'
        )


if __name__ == '__main__':
    run_cli(main)
