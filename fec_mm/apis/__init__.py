"""What the tools are made of. Importing it imports neither torch nor a toolbox."""
from fec_mm.errors import UserError

from .cli import run_cli

__all__ = ['UserError', 'run_cli']
