"""The tools of the toolboxes, run as they are, behind the work-arounds of `fec_mm.compat`."""

from __future__ import annotations

import difflib
import runpy
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from fec_mm import compat
from fec_mm.errors import UserError
from fec_mm.toolboxes.configs import import_toolbox
from fec_mm.toolboxes.table import TOOLBOXES

USAGE = 'python tools/mm.py TOOLBOX TOOL [ARGUMENTS]'


def tools_folder(scope: str) -> Path:
    """Where a toolbox has its tools: in an installed wheel in `.mim`, in a clone beside the package.

    Raises:
        UserError: The toolbox is not installed, or without its tools.
    """
    spec = find_spec(scope)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f'{scope} is not installed: see requirements.txt')
    package = Path(next(iter(spec.submodule_search_locations)))
    for folder in (package / '.mim' / 'tools', package.parent / 'tools'):
        if (folder / 'train.py').is_file():
            return folder
    raise UserError(f'{scope} in {package} has no tools: install it from its wheel or from a clone of its repository')


def find_tool(scope: str, name: str) -> Path:
    """The file of a tool.

    Args:
        scope: The toolbox.
        name: Relative to its tools, `.py` may be left out; the folder, too, where no other has a tool of that name.

    Raises:
        UserError: There is none, or several; it names the nearest.
    """
    folder = tools_folder(scope)
    known = sorted(str(path.relative_to(folder)) for path in folder.rglob('*.py'))
    wanted = name if name.endswith('.py') else f'{name}.py'
    found = [path for path in known if path == wanted] or [path for path in known if Path(path).name == wanted]
    if len(found) == 1:
        return folder / found[0]
    close = found or difflib.get_close_matches(wanted, known, n=3, cutoff=0.4)
    says = f'give one of {", ".join(close)}' if close else 'without a tool, all are listed'
    raise UserError(f"{scope} has {'several tools' if found else 'no tool'} '{name}': {says}")


def main(argv: Sequence[str] | None = None) -> None:
    """Run a tool of a toolbox.

    Args:
        argv: Toolbox, tool, and the tool's own command line. Default: the process's.

    Raises:
        UserError: No such toolbox or tool. Other exceptions are those of the tool.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] not in TOOLBOXES:
        raise UserError(f'usage: {USAGE}, with one of {", ".join(TOOLBOXES)}')
    scope, *rest = argv
    if not rest or rest[0] in ('-h', '--help'):
        folder = tools_folder(scope)
        print('\n'.join(sorted(str(path.relative_to(folder)) for path in folder.rglob('*.py'))))
        return
    tool = find_tool(scope, rest[0])
    import_toolbox(scope)
    import fec_mm.registry  # noqa: F401  # of which configs name modules

    compat.mend_tools(scope, tool.name)
    if (scope, tool.name) == ('mmdet', 'test.py'):
        import_module('fec_mm.models.mask_tta')  # for --tta of a detector with masks
    sys.argv = [str(tool), *rest[1:]]
    sys.path[0] = str(tool.parent)  # where Python has the folder of the script that it runs; tools import neighbours
    runpy.run_path(str(tool), run_name='__main__')
