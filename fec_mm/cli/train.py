"""What tools/train.py does, for mmpretrain, mmdet and mmseg."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from typing import Any, TextIO

from mmengine.config import Config
from mmengine.dist import is_main_process

from fec_mm import compat
from fec_mm.checkpoints.latest import last_checkpoint
from fec_mm.checkpoints.reading import RESUMABLE, check_checkpoint, check_pretrained_parts
from fec_mm.engine import CheckDataHook, CurvesHook, EpochLengthHook, ResumeSettingsHook, ScheduleHook, StrictLoadHook
from fec_mm.engine.summary import summary
from fec_mm.engine.tolerant_log import TolerantStream, tolerate_failing_logs
from fec_mm.errors import UserError

from .config import add_common_options, build_runner, common_options, load_config, log_notes, set_loader_defaults
from .held import held_output
from .launch import process_group
from .occupied import occupied
from .processes import check_agreement


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line of training, as MM users know it."""
    parser = argparse.ArgumentParser(description='Train a classifier, detector or segmenter')
    parser.add_argument('config', help='config file; its default_scope names the toolbox')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='continue from this checkpoint; without a path, from the latest in the work dir',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by the actual batch size over auto_scale_lr.base_batch_size',
    )
    parser.add_argument('--no-validate', action='store_true', help='do not evaluate during training')
    add_common_options(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Train.

    Args:
        argv: The command line. Default: the process's.

    Raises:
        UserError: On bad input. Other exceptions may be explained by `fec_mm.cli.explain`.
    """
    args = parse_args(argv)
    cfg = load_config(args.config, ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper'), **common_options(args))
    check_lengths(cfg)
    merge_args(cfg, args)
    set_loader_defaults(cfg)
    notes = choose_source(cfg, args.resume == 'auto') + compat.adapt_to_device(cfg)
    compat.keep_checkpoints_safe(cfg)
    compat.leave_optimizers_uncompiled(cfg)
    with process_group(args.launcher, **cfg.get('env_cfg', {}).get('dist_cfg', {})), occupied(cfg.work_dir) as note:
        if args.launcher != 'none':
            check_agreement(cfg)
        run(cfg, [*notes, note] if note else notes)


def check_lengths(cfg: Config) -> None:
    """Refuse a loop of no steps, and one that would divide by zero after its first epoch.

    Raises:
        UserError: Naming the setting.
    """
    for key in ('max_epochs', 'max_iters', 'val_interval'):
        value = cfg.train_cfg.get(key)
        if value is not None and not (isinstance(value, (int, float)) and value >= 1 and value % 1 == 0):
            raise UserError(f'train_cfg.{key}={value!r} in {cfg.filename}: give a whole number of at least 1')


def merge_args(cfg: Config, args: argparse.Namespace) -> None:
    """Put the command line into the config.

    Raises:
        UserError: An option that this config or machine cannot follow.
    """
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.amp:
        if not compat.has_accelerator():
            raise UserError('--amp needs an accelerator and there is none: leave it out, training is in float32')
        kind = cfg.optim_wrapper.get('type', 'OptimWrapper')
        if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
            raise UserError(f'--amp replaces an OptimWrapper and the config has a {kind}: leave it out')
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    if args.auto_scale_lr:
        if not cfg.get('auto_scale_lr', {}).get('base_batch_size'):
            raise UserError(f'--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=...) in {args.config}: add it')
        cfg.auto_scale_lr.enable = True
    if args.resume is not None:
        cfg.resume = True
        if args.resume != 'auto':
            cfg.load_from = args.resume


def choose_source(cfg: Config, automatic: bool) -> list[str]:
    """Set `load_from` to what an automatic resume continues from, and check every checkpoint that training starts from.

    Where there is nothing to continue from yet, training starts from the config's own `load_from`.

    Returns:
        A line for each damaged checkpoint that is passed over.

    Raises:
        UserError: One of them cannot be read, or none continued from.
    """
    check_pretrained_parts(cfg.model)
    notes: list[str] = []
    if automatic or (cfg.get('resume') and not cfg.get('load_from')):
        hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
        last, notes = last_checkpoint(cfg.work_dir, hook.get('filename_tmpl') or 'epoch_{}.pth', hook.get('out_dir'))
        cfg.resume = last is not None
        cfg.load_from = last or cfg.get('load_from')
    if cfg.get('load_from'):
        check_checkpoint(cfg.load_from, RESUMABLE if cfg.get('resume') else ())
    return notes


def run(cfg: Config, notes: list[str]) -> None:
    """Build the runner with its checks, and run it; on return nothing refers to it."""
    with held_output() as first:  # the log begins with the machine and the whole config
        runner = build_runner(cfg)
        summarize(runner, first)
    tolerate_failing_logs(runner)
    log_notes(notes)
    runner.register_hook(CheckDataHook())
    runner.register_hook(ScheduleHook())
    runner.register_hook(CurvesHook())
    if cfg.get('load_from'):
        runner.register_hook(StrictLoadHook(cfg.load_from, partly=not cfg.get('resume')))
        if cfg.get('resume'):
            runner.register_hook(EpochLengthHook())
            runner.register_hook(ResumeSettingsHook(cfg.load_from))
    with redirect_stdout(TolerantStream(sys.stdout)):
        runner.train()


def summarize(runner: Any, stream: TextIO) -> None:
    """Print what the training is about to do, from the first process.

    What cannot be told, such as data that cannot be read, the training itself will say.
    """
    if is_main_process():
        with suppress(Exception):
            print(*summary(runner), sep='\n', file=stream, flush=True)
