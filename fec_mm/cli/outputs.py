"""Where test.py writes what it found: predictions, metrics and painted images, by the means of each toolbox."""

from __future__ import annotations

import os
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from mmengine.config import Config

from fec_mm.datasets.leaves import leaves
from fec_mm.errors import UserError
from fec_mm.toolboxes.table import TOOLBOXES, Toolbox


def check_out(out: str | None, item: str, toolbox: Toolbox) -> None:
    """Refuse, before hours of evaluation, a file name that cannot be written in its format.

    Raises:
        UserError: An unknown extension.
    """
    if out is None:
        if item != 'pred':
            raise UserError('--out-item says what --out is for: give --out FILE too')
        return
    suffix = Path(out).suffix
    to_folder = item == 'pred' and toolbox.dump is None
    if item == 'metrics' and suffix not in ('.json', '.yaml', '.yml', '.pkl', '.pickle'):
        raise UserError(f'--out {out}: metrics are written as .json, .yaml or .pkl')
    if item == 'pred' and not to_folder and suffix not in ('.pkl', '.pickle'):
        raise UserError(f'--out {out}: predictions are written as .pkl')
    if Path(out).is_dir() and not to_folder:
        raise UserError(f'--out {out} is a folder: give the name of a file')
    if to_folder and (suffix or Path(out).is_file()):
        raise UserError(f'--out {out}: the label maps of mmseg need a folder')


def check_distinct(dataset: Any, option: str) -> None:
    """Refuse images that the toolboxes would write under one name, which is that of the file without its folder.

    Raises:
        UserError: Naming two of them.
    """
    seen: dict[str, str] = {}
    for leaf in leaves(dataset):
        for path in (leaf.get_data_info(i).get('img_path') for i in range(len(leaf))):
            other = seen.setdefault(Path(path).name, path) if path else path
            if other != path:
                raise UserError(
                    f'{option}: {other} and {path} would both be written as {Path(path).name}: '
                    'give them different names'
                )


def show(cfg: Config, folder: str) -> None:
    """Switch on the toolbox's visualization hook for every test image.

    Args:
        cfg: Changed in place.
        folder: mmpretrain and mmdet write there; mmseg in `vis_data/vis_image` below it. (mmdet's own tool
            puts it below work_dir/<time>, or, of a relative work_dir, below itself once more with every image.)
    """
    painter = TOOLBOXES[cfg.default_scope].painter
    if not cfg.get('visualizer'):
        cfg.visualizer = dict(type=painter.visualizer, vis_backends=[dict(type='LocalVisBackend')])
    hooks = cfg.get('default_hooks') or {}
    hook = {'type': painter.hook, **(hooks.get('visualization') or {}), painter.switch: True, 'interval': 1}
    if painter.folder is None:
        cfg.visualizer['save_dir'] = os.path.abspath(folder)
    else:
        hook[painter.folder] = os.path.abspath(folder)
    cfg.default_hooks = {**hooks, 'visualization': hook}


def save_label_maps(cfg: Config, folder: str) -> None:
    """Have mmseg's metric write the predicted class ids as PNG files.

    Raises:
        UserError: No metric of the config can.
    """
    evaluators = cfg.test_evaluator if isinstance(cfg.test_evaluator, (list, tuple)) else [cfg.test_evaluator]
    for metric in evaluators:
        if metric['type'].rsplit('.', 1)[-1] in ('IoUMetric', 'CityscapesMetric'):
            metric['output_dir'] = folder
            metric['keep_results'] = True  # which CityscapesMetric wants, and IoUMetric ignores
            return
    raise UserError('--out needs an IoUMetric or CityscapesMetric as test_evaluator: add one to the config')


def add_dump(runner: Any, metric: str, file: str) -> None:
    """Add the metric that writes predictions into a file.

    Args:
        runner: mmengine's, for testing.
        metric: `Toolbox.dump`.
        file: Where.
    """
    runner.test_evaluator.metrics.append(resolve_name(metric)(out_file_path=file))
