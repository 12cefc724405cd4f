"""How every tool ends: normally, or with one line for a mistake of the user, or with a traceback for one of ours."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import NoReturn

LOCAL_RANKS = ('LOCAL_RANK', 'SLURM_LOCALID', 'OMPI_COMM_WORLD_LOCAL_RANK')


def run_cli(main: Callable[[], object] | str) -> NoReturn:
    """Run a tool and exit: 0; 1 after a line `error: what, where, what to do` or a traceback; 130 when interrupted.

    Of several processes that fail, one reports: the first one.

    Args:
        main: The tool, which parses its own arguments; or the module whose `main` it is, so that what that cannot
            import is such a line, too.
    """
    try:
        tool = import_module(main).main if isinstance(main, str) else main
        tool()
    except KeyboardInterrupt:
        if _is_first_to_report():
            print('\ninterrupted', file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        from .explain import explain

        line = explain(error)
        if _is_first_to_report():
            if line is None:
                traceback.print_exc()
            else:
                print(f'error: {line}', file=sys.stderr)
        sys.stderr.flush()
        sys.exit(1)
    sys.exit(0)


def _is_first_to_report() -> bool:
    """Whether no other process has reported an error.

    The one that failed first knows best: the others fail because it left them. They ask the store that the process
    group was made with; before there is one all fail alike, and one of each machine speaks.
    """
    torch_dist = sys.modules.get('torch.distributed')
    if torch_dist is not None and torch_dist.is_available() and torch_dist.is_initialized():
        try:
            return torch_dist.distributed_c10d._get_default_store().add('fec_mm/errors', 1) == 1
        except RuntimeError:  # the store went away with the process that held it, which has reported
            return False
    return all(os.environ.get(name, '0') == '0' for name in LOCAL_RANKS)
