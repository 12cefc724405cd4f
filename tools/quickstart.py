"""The quick start of a task, from data to a picture: what `make train TASK=…` runs.

    python tools/quickstart.py {classification,detection,segmentation,segmentation_local} [--work-dir DIR]

Makes the data if it is not there, trains configs/quickstart/<task>.py, evaluates the last checkpoint, and draws the
clusters of held-out images, with the same tools that one would call by hand.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import mmengine

from fec_mm.cli.run import run_cli
from fec_mm.errors import UserError

# The converter, the data set, held-out images to draw, and the score that is printed.
TASKS = {
    'classification': ('digits', 'val/[358]/*.png', 'accuracy/top1', 'top-1 accuracy (%)'),
    'detection': ('digit_scenes', 'images/validation/*.png', 'coco/bbox_mAP_50', 'box mAP50'),
    'segmentation': ('digit_scenes', 'images/validation/*.png', 'mIoU', 'mIoU (%)'),
    'segmentation_local': ('digit_scenes', 'images/validation/*.png', 'mIoU', 'mIoU (%)'),
}
PICTURES = 3


def run(*command: object) -> None:
    """Run a tool of this folder; where it fails, it has said why."""
    code = subprocess.run([sys.executable, *map(str, command)]).returncode
    if code:
        sys.exit(code)


def main() -> None:
    parser = argparse.ArgumentParser(description='Data, training, evaluation and a picture of the clusters')
    parser.add_argument('task', choices=TASKS)
    parser.add_argument('--work-dir', type=Path, help='default: work_dirs/quickstart/<task>')
    args = parser.parse_args()

    tools = Path(__file__).parent
    config = tools.parent / 'configs' / 'quickstart' / f'{args.task}.py'
    work_dir = args.work_dir or Path('work_dirs', 'quickstart', args.task)
    converter, pattern, metric, name = TASKS[args.task]

    data = Path(os.environ.get('FEC_DATA', 'data'), converter)  # where the configs look
    run(tools / 'dataset_converters' / f'{converter}.py', '--out-dir', data)
    run(tools / 'train.py', config, '--work-dir', work_dir)
    log = max(work_dir.glob('*/*.log'), key=lambda path: path.stat().st_mtime)
    checkpoint = Path((work_dir / 'last_checkpoint').read_text().strip())
    metrics = work_dir / 'metrics.json'
    run(tools / 'test.py', config, checkpoint, '--work-dir', work_dir, '--out', metrics, '--out-item', 'metrics')
    images = sorted(data.glob(pattern))
    if not images:
        raise UserError(f'no image {data}/{pattern}: remove {data}, it is made again')
    picked = images[:: max(1, len(images) // PICTURES)][:PICTURES]
    merge = ['--groups', 6] if converter == 'digit_scenes' else []  # a digit has but four clusters at the last level
    run(
        tools / 'visualization' / 'visualize_clusters.py',
        config,
        *picked,
        '--checkpoint',
        checkpoint,
        '--out-dir',
        work_dir / 'clusters',
        '--html',
        *merge,
    )

    print(f'\n{name:20}{mmengine.load(str(metrics))[metric]:.4g}')
    for what, where in [
        ('log', log),
        ('curves', work_dir / 'curves.png'),
        ('checkpoint', checkpoint),
        ('clusters', work_dir / 'clusters' / f'{picked[0].stem}.png'),
        ('explorer', work_dir / 'clusters' / 'clusters.html'),
    ]:
        print(f'{what:20}{where}')


if __name__ == '__main__':
    run_cli(main)
