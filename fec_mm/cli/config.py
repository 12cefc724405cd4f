"""From a config file and a command line to the config a runner is built from."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from fec_mm import compat
from fec_mm.datasets.settings import prepare_datasets
from fec_mm.errors import UserError
from fec_mm.toolboxes.configs import check_scope, import_toolbox, read_config

from .processes import check_launcher
from .unread import unread_options

RANKS = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')  # of the launchers


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


def common_options(args: argparse.Namespace) -> dict[str, Any]:
    """What the options of `add_common_options` say, as arguments of `load_config`."""
    return {
        'options': args.cfg_options,
        'work_dir': args.work_dir,
        'launcher': args.launcher,
        'local_rank': args.local_rank,
    }


def load_config(
    path: str,
    needed: tuple[str, ...],
    *,
    options: dict[str, Any] | None = None,
    work_dir: str | None = None,
    launcher: str = 'none',
    local_rank: int = 0,
) -> Config:
    """Read a config, merge options into it, import its toolbox, set `work_dir` and `launcher`.

    Args:
        path: The config file.
        needed: Fields the config must have.
        options: Values by dotted key, of `--cfg-options`. Default: none.
        work_dir: Default: the config's, or `work_dirs/<name of the config>`.
        launcher: none, pytorch, slurm or mpi.
        local_rank: For launchers that give it on the command line alone.

    Raises:
        UserError: No such file, not a config, a wrong `default_scope`, a missing field, another launcher.
    """
    os.environ.setdefault('LOCAL_RANK', str(local_rank))
    cfg = read_config(path)
    if options:
        warn_first(unread_options(cfg, options))
        try:
            cfg.merge_from_dict(options)
        except (KeyError, TypeError) as error:
            raise UserError(f'--cfg-options do not fit {path}: {error}') from error
    compat.leave_out_hooks(cfg)
    scope = check_scope(cfg)
    missing = [key for key in needed if cfg.get(key) is None]
    if missing:
        raise UserError(f'config {path} has no {", ".join(missing)}: add it, or inherit it through _base_')
    check_launcher(launcher)
    cfg.launcher = launcher
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif not cfg.get('work_dir'):
        cfg.work_dir = str(Path('work_dirs') / Path(path).stem)
    import_toolbox(scope)
    prepare_datasets(cfg)
    return cfg


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
    return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
