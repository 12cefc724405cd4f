"""What the command-line tools are made of. Importing it imports neither torch nor a toolbox."""

from .run import run_cli

__all__ = ['run_cli']
