"""Make films of the clusters that fec_mm.ClusterVisualizationHook showed during a training.

    python tools/visualization/clusters_gif.py WORK_DIR [--out-dir DIR] [--seconds S] [--format webp | png | gif]

Reads what mmengine's LocalVisBackend wrote below WORK_DIR (`**/vis_image/clusters_<image>_<step>.png`) and writes one
film per image, `DIR/clusters_<image>.gif`, with the step and the names of the panels above each frame. WebP and
animated PNG keep all colours, of which a GIF has 256.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from rich.progress import track

from fec_mm.cli.run import run_cli
from fec_mm.errors import UserError
from fec_mm.fileio import whole_file

TITLE_HEIGHT = 28  # pixels


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Make films of the clusters that formed during a training')
    parser.add_argument('work_dir', type=Path, help='folder of the training')
    parser.add_argument('--out-dir', type=Path, help='folder for the films; default: work_dir')
    parser.add_argument(
        '--seconds', type=float, default=0.5, help='of each frame; the last one stays four times as long'
    )
    parser.add_argument('--format', choices=['gif', 'webp', 'png'], default='gif', help='default: gif')
    parser.add_argument(
        '--names',
        nargs='+',
        default=['input', 'level 1', 'level 2', 'level 3'],
        help='of the panels, from left to right; default: those of a model of four stages',
    )
    return parser.parse_args(argv)


def find_frames(work_dir: Path) -> dict[str, list[tuple[int, Path]]]:
    """The pictures of each image, by step; of a step that several runs reached, the newest file.

    Raises:
        UserError: There are none.
    """
    found: dict[str, dict[int, Path]] = {}
    for path in sorted(work_dir.glob('**/vis_image/clusters_*.png'), key=lambda path: path.stat().st_mtime):
        match = re.fullmatch(r'(clusters_.+)_(\d+)', path.stem)
        if match:
            found.setdefault(match[1], {})[int(match[2])] = path
    if not found:
        raise UserError(
            f'{work_dir} has no vis_image/clusters_*.png: train with fec_mm.ClusterVisualizationHook in custom_hooks'
        )
    return {name: sorted(steps.items()) for name, steps in sorted(found.items())}


def frame(step: int, path: Path, names: Sequence[str]) -> Image.Image:
    """One picture under its step and the names of its panels, which are of one width."""
    with Image.open(path) as picture:
        titled = Image.new('RGB', (picture.width, picture.height + TITLE_HEIGHT), 'white')
        titled.paste(picture, (0, TITLE_HEIGHT))
    draw, width = ImageDraw.Draw(titled), titled.width / len(names)
    for i, name in enumerate([f'step {step}: {names[0]}', *names[1:]]):
        draw.text((width * i + 8, 4), name, fill='black', font=ImageFont.load_default(size=16))
    return titled


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    if args.seconds <= 0:
        raise UserError(f'--seconds {args.seconds}: give more than 0')
    films = find_frames(args.work_dir)
    for name, steps in track(films.items(), description='films'):
        target = (args.out_dir or args.work_dir) / f'{name}.{args.format}'
        try:
            first, *others = [frame(step, path, args.names) for step, path in steps]
        except OSError as error:
            raise UserError(f'{target}: {error}; look at the pictures of {name}') from error
        milliseconds = [round(1000 * args.seconds)] * len(others) + [round(4000 * args.seconds)]
        with whole_file(target) as part:
            first.save(part, save_all=True, append_images=others, duration=milliseconds, loop=0)
    print(f'{len(films)} films in {args.out_dir or args.work_dir}')


if __name__ == '__main__':
    run_cli(main)
