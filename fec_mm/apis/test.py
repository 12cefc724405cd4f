"""What tools/test.py does, for mmpretrain, mmdet and mmseg."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmengine.config import Config


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line of testing, as MM users know it."""
    from .config import add_common_options

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
        argv: the command line; default: the process's.

    Returns:
        The metrics, by name.

    Raises:
        fec_mm.errors.UserError: on bad input. Other exceptions may be explained by `fec_mm.apis.explain`.
    """
    args = parse_args(argv)
    from fec_mm import compat

    from .checkpoints import check_checkpoint
    from .config import load_config, set_loader_defaults
    from .launch import process_group
    from .outputs import check_out, save_label_maps, show
    from .painting import forget_training
    from .tta import use_tta

    cfg = load_config(args, needed=('model', 'test_dataloader', 'test_cfg', 'test_evaluator'))
    check_out(args.out, args.out_item, cfg.default_scope)
    check_checkpoint(args.checkpoint)
    cfg.load_from, cfg.resume = args.checkpoint, False
    if args.show_dir:
        show(cfg, args.show_dir)
        forget_training(cfg)
    if args.tta:
        use_tta(cfg)
    if args.out and args.out_item == 'pred' and cfg.default_scope == 'mmseg':
        save_label_maps(cfg, args.out)
    set_loader_defaults(cfg)
    notes = compat.adapt_to_device(cfg)
    with process_group(args.launcher, **cfg.get('env_cfg', {}).get('dist_cfg', {})):
        return _test(cfg, args, notes)


def _test(cfg: Config, args: argparse.Namespace, notes: list[str]) -> dict[str, Any]:
    """Build the runner, run it, write what `--out` asks for; on return nothing refers to the runner."""
    from mmengine.dist import is_main_process

    from fec_mm.engine import CheckDataHook, StrictLoadHook

    from .config import build_runner, log_notes
    from .outputs import add_dump, check_distinct, write_beside
    from .painting import paint_any_image
    from .unlabelled import expect_no_labels, is_unlabelled

    runner = build_runner(cfg)
    if is_unlabelled(runner.test_loop.dataloader.dataset, cfg.default_scope):
        wanted = args.show_dir or (args.out and args.out_item == 'pred')
        notes = [*notes, expect_no_labels(runner, bool(wanted))]
    log_notes(notes)
    runner.register_hook(CheckDataHook())
    runner.register_hook(StrictLoadHook(args.checkpoint))
    if args.show_dir:
        paint_any_image(runner)
    beside = write_beside(args.out) if args.out else None
    if beside and args.out_item == 'pred' and cfg.default_scope != 'mmseg':
        add_dump(runner, cfg.default_scope, str(beside))
    by_name = {
        '--show-dir': args.show_dir,
        '--out': cfg.default_scope == 'mmseg' and args.out_item == 'pred' and args.out,
    }
    for option, folder in by_name.items():
        if folder:
            check_distinct(runner.test_loop.dataloader.dataset, f'{option} {folder}')
    metrics: dict[str, Any] = runner.test()
    if beside and is_main_process():
        if args.out_item == 'metrics':
            import mmengine

            mmengine.dump(metrics, str(beside))
        if beside.exists():
            os.replace(beside, Path(args.out))
    return metrics
