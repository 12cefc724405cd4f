"""From a config file and a command line to the config a runner is built from."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

from fec_mm import compat
from fec_mm.datasets.settings import prepare_datasets
from fec_mm.errors import UserError

from .processes import check_launcher
from .pure_python import with_names
from .unread import unread_options

RANKS = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')  # of the launchers
TOOLBOXES = ('mmpretrain', 'mmdet', 'mmseg')


class CfgOptions(DictAction):
    """mmengine's DictAction, with a usage error instead of a traceback for something other than key=value."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        try:
            super().__call__(parser, namespace, values, option_string)
        except (ValueError, SyntaxError, AssertionError) as error:
            parser.error(f'{option_string} takes key=value pairs, not {" ".join(values)!r} ({error})')
        except RecursionError:  # of DictAction, on a call within brackets
            parser.error(
                f'{option_string} takes numbers, words, and lists or tuples of them, not {" ".join(values)!r}: '
                'set a dict key by key (a.b=1), or write it into a config'
            )


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that training and testing share, as in every OpenMMLab toolbox."""
    parser.add_argument('--work-dir', help='folder for logs and checkpoints; default: work_dirs/<name of the config>')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=CfgOptions,
        metavar='KEY=VALUE',
        help='override settings of the config: train_dataloader.batch_size=4, key="[(a,b),(c,d)]"',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    # Some versions of torch.distributed.launch pass this; torchrun sets LOCAL_RANK instead.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def load_config(args: argparse.Namespace, needed: tuple[str, ...]) -> Config:
    """Read `args.config`, merge `args.cfg_options`, import its toolbox, set `work_dir` and `launcher`.

    Args:
        args: with the options of `add_common_options` and `config`.
        needed: fields the config must have.

    Raises:
        UserError: no such file, not a config, a wrong `default_scope`, a missing field, another launcher.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = read_config(args.config)
    if args.cfg_options:
        warn_first(unread_options(cfg, args.cfg_options))
        try:
            cfg.merge_from_dict(args.cfg_options)
        except (KeyError, TypeError) as error:
            raise UserError(f'--cfg-options do not fit {args.config}: {error}') from error
    compat.leave_out_hooks(cfg)
    scope = check_scope(cfg)
    missing = [key for key in needed if cfg.get(key) is None]
    if missing:
        raise UserError(f'config {args.config} has no {", ".join(missing)}: add it, or inherit it through _base_')
    check_launcher(args.launcher)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif not cfg.get('work_dir'):
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    import_toolbox(scope)
    prepare_datasets(cfg)
    return cfg


def read_config(path: str) -> Config:
    """Read a config file; of a pure Python config, types become names.

    Raises:
        UserError: no such file, or not a config.
    """
    compat.apply()  # a pure Python config imports its toolbox
    if not Path(path).is_file():
        raise UserError(f'config {path} does not exist: give one such as configs/quickstart/classification.py')
    try:
        return with_names(Config.fromfile(path), TOOLBOXES)
    except Exception as error:  # a config is a program: anything can happen in it
        raise UserError(f'config {path} cannot be read: {type(error).__name__}: {error}') from error


def check_scope(cfg: Config) -> str:
    """The toolbox of a config.

    Raises:
        UserError: it names none.
    """
    scope = cfg.get('default_scope')
    if scope not in TOOLBOXES:
        raise UserError(f'default_scope in {cfg.filename} is {scope!r}: set it to one of {", ".join(TOOLBOXES)}')
    return str(scope)


def import_toolbox(scope: str) -> None:
    """Import a toolbox and this package's registry.

    Raises:
        UserError: it is not installed, or refuses the installed mmcv or mmengine, which all three assert.
    """
    compat.apply()
    compat.allow_large_images()
    try:
        import_module(scope)
    except ModuleNotFoundError as error:
        if error.name != scope:
            raise
        raise UserError(f'{scope} is not installed, which default_scope asks for: see requirements.txt') from error
    except AssertionError as error:
        raise UserError(f'{scope} cannot be used: {error}') from error
    if scope == 'mmpretrain':
        from fec_mm.datasets.image_suffixes import count_when_mmpretrain_loads

        count_when_mmpretrain_loads()
    if scope == 'mmdet':
        from fec_mm.datasets.coco_checks import check_when_mmdet_loads

        check_when_mmdet_loads()


def set_loader_defaults(cfg: Config) -> None:
    """Give mmpretrain's data loaders the settings that its own tools give them and its configs therefore leave out."""
    if cfg.default_scope != 'mmpretrain':
        return
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg.get(name)
        if loader:
            loader.setdefault('collate_fn', dict(type='default_collate'))
            loader.setdefault('pin_memory', compat.has_accelerator())
            loader.setdefault('persistent_workers', loader.get('num_workers', 0) > 0)


def log_notes(notes: list[str]) -> None:
    """Log a line for each thing that was changed in a config, from the first process."""
    import logging

    from mmengine.dist import is_main_process
    from mmengine.logging import print_log

    if is_main_process():
        for note in notes:
            print_log(note, logger='current', level=logging.WARNING)


def warn_first(lines: list[str]) -> None:
    """Print warnings before there is a process group or a log, from the first process that a launcher started."""
    if all(os.environ.get(name, '0') == '0' for name in RANKS):
        for line in lines:
            print(f'warning: {line}', file=sys.stderr)


def build_runner(cfg: Config) -> Any:
    """The runner of a config: mmengine's, or the one its `runner_type` names."""
    from mmengine.registry import RUNNERS
    from mmengine.runner import Runner

    return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
