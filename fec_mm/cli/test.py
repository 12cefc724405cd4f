"""What tools/test.py does, for mmpretrain, mmdet and mmseg."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmengine
from mmengine.config import Config
from mmengine.dist import is_main_process

from fec_mm import compat
from fec_mm.checkpoints.reading import check_checkpoint
from fec_mm.engine import CheckDataHook, StrictLoadHook
from fec_mm.fileio import beside
from fec_mm.toolboxes.table import TOOLBOXES

from .config import add_common_options, build_runner, common_options, load_config, log_notes, set_loader_defaults
from .launch import process_group
from .outputs import add_dump, check_distinct, check_out, save_label_maps, show
from .painting import forget_training, paint_any_image
from .tta import use_tta
from .unlabelled import expect_no_labels, is_unlabelled


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line of testing, as MM users know it."""
    parser = argparse.ArgumentParser(description='Evaluate a classifier, detector or segmenter')
    parser.add_argument('config', help='config file; its default_scope names the toolbox')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', help='file for the predictions (.pkl); in mmseg: folder for the predicted label maps')
    parser.add_argument(
        '--out-item',
        choices=['pred', 'metrics'],
        default='pred',
        help='what --out is for; metrics are written as .json, .yaml or .pkl',
    )
    parser.add_argument('--show-dir', help='folder for images with the predictions painted on them')
    parser.add_argument(
        '--tta',
        action='store_true',
        help='test-time augmentation by tta_model and tta_pipeline of the config; default: flips',
    )
    add_common_options(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Evaluate a checkpoint.

    Args:
        argv: The command line. Default: the process's.

    Returns:
        The metrics, by name.

    Raises:
        UserError: On bad input. Other exceptions may be explained by `fec_mm.cli.explain`.
    """
    args = parse_args(argv)
    cfg = load_config(args.config, ('model', 'test_dataloader', 'test_cfg', 'test_evaluator'), **common_options(args))
    check_out(args.out, args.out_item, TOOLBOXES[cfg.default_scope])
    check_checkpoint(args.checkpoint)
    merge_args(cfg, args)
    set_loader_defaults(cfg)
    notes = compat.adapt_to_device(cfg)
    with process_group(args.launcher, **cfg.get('env_cfg', {}).get('dist_cfg', {})):
        return run(cfg, args, notes)


def merge_args(cfg: Config, args: argparse.Namespace) -> None:
    """Put the command line into the config; raises as `save_label_maps`."""
    cfg.load_from, cfg.resume = args.checkpoint, False
    if args.show_dir:
        show(cfg, args.show_dir)
        forget_training(cfg)
    if args.tta:
        use_tta(cfg)
    if _label_maps(cfg, args):
        save_label_maps(cfg, args.out)


def run(cfg: Config, args: argparse.Namespace, notes: list[str]) -> dict[str, Any]:
    """Build the runner, run it, write what `--out` asks for; on return nothing refers to the runner."""
    runner = build_runner(cfg)
    dataset = runner.test_loop.dataloader.dataset
    wants_predictions = args.out is not None and args.out_item == 'pred'
    if is_unlabelled(dataset, cfg.default_scope):
        notes = [*notes, expect_no_labels(runner, wants_predictions or args.show_dir is not None)]
    log_notes(notes)
    runner.register_hook(CheckDataHook())
    runner.register_hook(StrictLoadHook(args.checkpoint))
    if args.show_dir:
        paint_any_image(runner)
        check_distinct(dataset, f'--show-dir {args.show_dir}')
    if _label_maps(cfg, args):
        check_distinct(dataset, f'--out {args.out}')
    part = beside(args.out) if args.out else None
    dump = TOOLBOXES[cfg.default_scope].dump
    if part and wants_predictions and dump is not None:
        add_dump(runner, dump, str(part))
    metrics: dict[str, Any] = runner.test()
    if part and is_main_process():
        if not wants_predictions:
            mmengine.dump(metrics, str(part))
        if part.exists():
            os.replace(part, Path(args.out))
    return metrics


def _label_maps(cfg: Config, args: argparse.Namespace) -> bool:
    """Whether `--out` is a folder for label maps."""
    return args.out is not None and args.out_item == 'pred' and TOOLBOXES[cfg.default_scope].dump is None
