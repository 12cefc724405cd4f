"""torchrun that says which machine it waits for, and which process died of what: python tools/launch.py [options]
SCRIPT ..."""

from fec_mm.cli import run_cli
from fec_mm.cli.launch import launch

if __name__ == '__main__':
    run_cli(launch)
